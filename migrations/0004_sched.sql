-- Scheduled tasks, their executions and the ledger of occurrences (DATA-01..17).
-- Times are UTC microseconds, enums small integers (the names stand in src/sched), UIDs 16 bytes.

-- One row per task: what is filtered or counted has a column, the rest of the definition is one JSON text.
CREATE TABLE sched_tasks (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    version INTEGER NOT NULL,
    definition TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    next_run INTEGER,
    last_executed_at INTEGER,
    last_failure_error TEXT NOT NULL DEFAULT '',
    total_executions INTEGER NOT NULL DEFAULT 0,
    success_executions INTEGER NOT NULL DEFAULT 0,
    failure_executions INTEGER NOT NULL DEFAULT 0,
    timeout_executions INTEGER NOT NULL DEFAULT 0,
    skipped_executions INTEGER NOT NULL DEFAULT 0,
    consecutive_failures INTEGER NOT NULL DEFAULT 0,
    success_duration_ms INTEGER NOT NULL DEFAULT 0,
    recent_outcomes INTEGER NOT NULL DEFAULT 0,
    -- the ledger of this task is settled up to here (inclusive); what lies after has no verdict yet
    settled_until INTEGER NOT NULL,
    epoch_id INTEGER NOT NULL,
    snapshot_id INTEGER NOT NULL,
    expected INTEGER NOT NULL DEFAULT 0,
    fired INTEGER NOT NULL DEFAULT 0,
    coalesced INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    missed INTEGER NOT NULL DEFAULT 0,
    shifted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sched_tasks_type ON sched_tasks (type);

CREATE TABLE sched_task_labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    task_id INTEGER NOT NULL,
    PRIMARY KEY (name, value, task_id)
) WITHOUT ROWID;
CREATE INDEX sched_task_labels_task ON sched_task_labels (task_id);

-- What a task's schedule was from a moment on: ledger rows are expanded with the schedule of their time.
CREATE TABLE task_epochs (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    definition TEXT NOT NULL
);
CREATE INDEX task_epochs_task ON task_epochs (task_id, id);

-- Name, uid and type as they were when executions were made (DATA-10): history survives renaming and deletion.
CREATE TABLE task_snapshots (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL,
    task_uid BLOB NOT NULL,
    task_name TEXT NOT NULL,
    task_type TEXT NOT NULL
);
CREATE INDEX task_snapshots_name ON task_snapshots (task_name);
CREATE INDEX task_snapshots_uid ON task_snapshots (task_uid);

-- One row per execution. There is no index on uid: the uid carries the id (base/id.h), and is compared.
CREATE TABLE task_executions (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL,
    task_id INTEGER NOT NULL,
    snapshot_id INTEGER NOT NULL,
    state INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    shifted INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0,
    scheduled_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    updated_at INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER,
    owner_epoch INTEGER NOT NULL DEFAULT 0,
    progress INTEGER NOT NULL DEFAULT 0,
    result_truncated INTEGER NOT NULL DEFAULT 0,
    trigger_by TEXT,
    unique_key TEXT,
    override_data TEXT,
    result TEXT,
    error_message TEXT,
    error_stack TEXT,
    attempts TEXT,
    cancel_reason TEXT,
    cancelled_by TEXT,
    retry_of BLOB
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
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL,
    epoch_id INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    verdict INTEGER NOT NULL,
    reason INTEGER NOT NULL
);
CREATE INDEX task_occurrences_task ON task_occurrences (task_id, last_at);

-- Finished executions by task and hour, summed as they finish: statistics never scan the history (SCH-85).
CREATE TABLE task_stats_hourly (
    task_id INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    total INTEGER NOT NULL,
    success INTEGER NOT NULL,
    failure INTEGER NOT NULL,
    success_duration_ms INTEGER NOT NULL,
    PRIMARY KEY (task_id, hour)
) WITHOUT ROWID;
CREATE INDEX task_stats_hourly_hour ON task_stats_hourly (hour);
