-- Locks with their history (DATA-20..25) and the registry of instances (SCH-75).
-- Times are UTC microseconds; state: 0 active, 1 expired, 2 released.
CREATE TABLE task_locks (
    id INTEGER PRIMARY KEY,
    lock_key TEXT NOT NULL,
    holder_id TEXT NOT NULL,
    token TEXT NOT NULL,
    fencing_token INTEGER NOT NULL,
    state INTEGER NOT NULL,
    acquired_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    released_at INTEGER,
    purpose TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (expires_at > acquired_at),
    CHECK (released_at IS NULL OR released_at >= acquired_at)
);
CREATE UNIQUE INDEX task_locks_active ON task_locks (lock_key) WHERE state = 0;
CREATE INDEX task_locks_state ON task_locks (state, expires_at);
CREATE INDEX task_locks_holder ON task_locks (holder_id);

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    labels TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    stopped_at INTEGER,
    capacity INTEGER NOT NULL
) WITHOUT ROWID;
