-- The audit log. Events live in segments, files of their own beside the database (trail/segment.h); here is what must be one
-- transaction with a change, and what must not lie in the file that it vouches for.
-- horae_writes() exists on the connections of the server only: a hand at the database is refused.

-- Events of horae's own changes, written with the change and moved into a segment at once; rows that were moved are removed by
-- the next change that writes here. `event` is what audit_event_read takes.
CREATE TABLE audit_pending (
    id INTEGER PRIMARY KEY, -- given by the server: greater than all that were moved or are here
    event TEXT NOT NULL
);
CREATE TRIGGER audit_pending_insert BEFORE INSERT ON audit_pending WHEN NOT horae_writes()
BEGIN SELECT RAISE(ABORT, 'audit events are written by the server only'); END;
CREATE TRIGGER audit_pending_update BEFORE UPDATE ON audit_pending
BEGIN SELECT RAISE(ABORT, 'audit events cannot be changed'); END;
CREATE TRIGGER audit_pending_delete BEFORE DELETE ON audit_pending WHEN NOT horae_writes()
BEGIN SELECT RAISE(ABORT, 'audit events cannot be removed'); END;

-- What the server vouched for: the head of a segment at a time, its end, or that it was dropped by retention (a tombstone). Each
-- is signed, and its signature covers the one before.
CREATE TABLE audit_checkpoints (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- head | sealed | purged | recovered
    segment INTEGER NOT NULL,
    seq INTEGER NOT NULL,         -- events of the segment up to here
    genesis BLOB NOT NULL,        -- what the chain of the segment begins with
    head BLOB NOT NULL,           -- the chain's hash at seq
    min_timestamp INTEGER NOT NULL,
    max_timestamp INTEGER NOT NULL,
    reason TEXT NOT NULL,         -- purged: the cut-off; recovered: what was found
    created_at INTEGER NOT NULL,
    before BLOB NOT NULL,         -- hash of the checkpoint before
    signature BLOB NOT NULL
);
CREATE INDEX audit_checkpoints_segment ON audit_checkpoints (segment, id);
CREATE TRIGGER audit_checkpoints_insert BEFORE INSERT ON audit_checkpoints WHEN NOT horae_writes()
BEGIN SELECT RAISE(ABORT, 'checkpoints are written by the server only'); END;
CREATE TRIGGER audit_checkpoints_update BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints cannot be changed'); END;
CREATE TRIGGER audit_checkpoints_delete BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints cannot be removed'); END;
