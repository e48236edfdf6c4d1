-- A long history is read by task, state and time: every page and every exact total comes from an index range.

-- Finished executions of a task by state; before, a page of a task's failures looked at all its runs.
CREATE INDEX task_executions_task_state ON task_executions (task_id, state, id) WHERE state >= 2;
DROP INDEX task_executions_unusual;
CREATE INDEX task_executions_finished ON task_executions (state, id) WHERE state >= 2;

-- In which hours (of creation, since 1970) ids were given, in blocks of 4096: a time range becomes an id range, whatever the
-- clock did. What waited longer than an hour before it started has an index of its own.
CREATE TABLE task_execution_hours (
    hour bigint NOT NULL,
    block bigint NOT NULL,
    PRIMARY KEY (hour, block)
);
INSERT INTO task_execution_hours (hour, block)
    SELECT DISTINCT created_at / 3600000000, id >> 12 FROM task_executions;
CREATE INDEX task_executions_waited ON task_executions (started_at) WHERE started_at - created_at > 3600000000;

-- Sums by hour first: a window is one range.
CREATE TABLE task_stats_by_hour (
    hour bigint NOT NULL,
    task_id bigint NOT NULL,
    total bigint NOT NULL,
    success bigint NOT NULL,
    failure bigint NOT NULL,
    success_duration_ms bigint NOT NULL,
    PRIMARY KEY (hour, task_id)
);
INSERT INTO task_stats_by_hour SELECT hour, task_id, total, success, failure, success_duration_ms FROM task_stats_hourly;
DROP TABLE task_stats_hourly;
CREATE INDEX task_stats_by_hour_task ON task_stats_by_hour (task_id, hour);
