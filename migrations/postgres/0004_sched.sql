-- Scheduled tasks, their executions and the ledger of occurrences (DATA-01..17).
-- Times are UTC microseconds, enums small integers (the names stand in src/sched), UIDs 16 bytes.

-- One row per task: what is filtered or counted has a column, the rest of the definition is one JSON text.
CREATE TABLE sched_tasks (
    id bigint PRIMARY KEY,
    uid bytea NOT NULL UNIQUE,
    name text COLLATE "C" NOT NULL UNIQUE,
    type text NOT NULL,
    enabled bigint NOT NULL,
    priority bigint NOT NULL,
    version bigint NOT NULL,
    definition text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    next_run bigint,
    last_executed_at bigint,
    last_failure_error text NOT NULL DEFAULT '',
    total_executions bigint NOT NULL DEFAULT 0,
    success_executions bigint NOT NULL DEFAULT 0,
    failure_executions bigint NOT NULL DEFAULT 0,
    timeout_executions bigint NOT NULL DEFAULT 0,
    skipped_executions bigint NOT NULL DEFAULT 0,
    consecutive_failures bigint NOT NULL DEFAULT 0,
    success_duration_ms bigint NOT NULL DEFAULT 0,
    recent_outcomes bigint NOT NULL DEFAULT 0,
    -- the ledger of this task is settled up to here (inclusive); what lies after has no verdict yet
    settled_until bigint NOT NULL,
    epoch_id bigint NOT NULL,
    snapshot_id bigint NOT NULL,
    expected bigint NOT NULL DEFAULT 0,
    fired bigint NOT NULL DEFAULT 0,
    coalesced bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    missed bigint NOT NULL DEFAULT 0,
    shifted bigint NOT NULL DEFAULT 0
);
CREATE INDEX sched_tasks_type ON sched_tasks (type);

CREATE TABLE sched_task_labels (
    name text NOT NULL,
    value text NOT NULL,
    task_id bigint NOT NULL,
    PRIMARY KEY (name, value, task_id)
);
CREATE INDEX sched_task_labels_task ON sched_task_labels (task_id);

-- What a task's schedule was from a moment on: ledger rows are expanded with the schedule of their time.
CREATE TABLE task_epochs (
    id bigint PRIMARY KEY,
    task_id bigint NOT NULL,
    started_at bigint NOT NULL,
    definition text NOT NULL
);
CREATE INDEX task_epochs_task ON task_epochs (task_id, id);

-- Name, uid and type as they were when executions were made (DATA-10): history survives renaming and deletion.
CREATE TABLE task_snapshots (
    id bigint PRIMARY KEY,
    task_id bigint NOT NULL,
    task_uid bytea NOT NULL,
    task_name text NOT NULL,
    task_type text NOT NULL
);
CREATE INDEX task_snapshots_name ON task_snapshots (task_name);
CREATE INDEX task_snapshots_uid ON task_snapshots (task_uid);

-- One row per execution. There is no index on uid: the uid carries the id (base/id.h), and is compared.
CREATE TABLE task_executions (
    id bigint PRIMARY KEY,
    uid bytea NOT NULL,
    task_id bigint NOT NULL,
    snapshot_id bigint NOT NULL,
    state bigint NOT NULL,
    cause bigint NOT NULL,
    shifted bigint NOT NULL DEFAULT 0,
    priority bigint NOT NULL DEFAULT 0,
    scheduled_at bigint NOT NULL,
    created_at bigint NOT NULL,
    due_at bigint NOT NULL,
    started_at bigint,
    finished_at bigint,
    updated_at bigint NOT NULL,
    attempt bigint NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,
    lease_owner text,
    lease_until bigint,
    owner_epoch bigint NOT NULL DEFAULT 0,
    progress bigint NOT NULL DEFAULT 0,
    result_truncated bigint NOT NULL DEFAULT 0,
    trigger_by text,
    unique_key text,
    override_data text,
    result text,
    error_message text,
    error_stack text,
    attempts text,
    cancel_reason text,
    cancelled_by text,
    retry_of bytea
);
CREATE INDEX task_executions_task ON task_executions (task_id, id);
-- Only what is pending or running: small however long the history is.
CREATE INDEX task_executions_active ON task_executions (state, id) WHERE state < 2;
-- Failures, timeouts, cancelled and interrupted ones are looked for among many successes.
CREATE INDEX task_executions_unusual ON task_executions (state, id) WHERE state > 2;
-- The last guard against running a slot twice: unique (task, slot) for what the schedule made.
CREATE UNIQUE INDEX task_executions_slot ON task_executions (task_id, scheduled_at) WHERE cause IN (0, 3);
CREATE UNIQUE INDEX task_executions_key ON task_executions (task_id, unique_key) WHERE unique_key IS NOT NULL AND state < 2;

-- Occurrences without an execution, runs of equal verdict and reason in one row.
CREATE TABLE task_occurrences (
    id bigint PRIMARY KEY,
    task_id bigint NOT NULL,
    epoch_id bigint NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    count bigint NOT NULL,
    verdict bigint NOT NULL,
    reason bigint NOT NULL
);
CREATE INDEX task_occurrences_task ON task_occurrences (task_id, last_at);

-- Finished executions by task and hour, summed as they finish: statistics never scan the history (SCH-85).
CREATE TABLE task_stats_hourly (
    task_id bigint NOT NULL,
    hour bigint NOT NULL,
    total bigint NOT NULL,
    success bigint NOT NULL,
    failure bigint NOT NULL,
    success_duration_ms bigint NOT NULL,
    PRIMARY KEY (task_id, hour)
);
CREATE INDEX task_stats_hourly_hour ON task_stats_hourly (hour);
