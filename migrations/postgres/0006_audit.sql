-- The audit log. Events live in segments, files of their own beside the database (trail/segment.h); here is what must be one
-- transaction with a change, and what must not lie in the file that it vouches for.
-- Sessions of the server have the setting horae.writer: a hand at the database, which has it not, is refused.

-- The trigger says by its argument what it refuses, and whether it does so to the server too.
CREATE FUNCTION horae_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_ARGV[1] = 'everybody' OR coalesce(current_setting('horae.writer', true), '') <> 'on' THEN
        RAISE EXCEPTION '%', TG_ARGV[0];
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- Events of horae's own changes, written with the change and moved into a segment at once; rows that were moved are removed by
-- the next change that writes here. `event` is what audit_event_read takes.
CREATE TABLE audit_pending (
    id bigint PRIMARY KEY, -- given by the server: greater than all that were moved or are here
    event text NOT NULL
);
CREATE TRIGGER audit_pending_insert BEFORE INSERT ON audit_pending
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events are written by the server only', 'strangers');
CREATE TRIGGER audit_pending_update BEFORE UPDATE ON audit_pending
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events cannot be changed', 'everybody');
CREATE TRIGGER audit_pending_delete BEFORE DELETE ON audit_pending
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('audit events cannot be removed', 'strangers');

-- What the server vouched for: the head of a segment at a time, its end, or that it was dropped by retention (a tombstone). Each
-- is signed, and its signature covers the one before.
CREATE TABLE audit_checkpoints (
    id bigint PRIMARY KEY,
    kind text NOT NULL,           -- head | sealed | purged | recovered
    segment bigint NOT NULL,
    seq bigint NOT NULL,          -- events of the segment up to here
    genesis bytea NOT NULL,       -- what the chain of the segment begins with
    head bytea NOT NULL,          -- the chain's hash at seq
    min_timestamp bigint NOT NULL,
    max_timestamp bigint NOT NULL,
    reason text NOT NULL,         -- purged: the cut-off; recovered: what was found
    created_at bigint NOT NULL,
    before bytea NOT NULL,        -- hash of the checkpoint before
    signature bytea NOT NULL
);
CREATE INDEX audit_checkpoints_segment ON audit_checkpoints (segment, id);
CREATE TRIGGER audit_checkpoints_insert BEFORE INSERT ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('checkpoints are written by the server only', 'strangers');
CREATE TRIGGER audit_checkpoints_update BEFORE UPDATE ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('checkpoints cannot be changed', 'everybody');
CREATE TRIGGER audit_checkpoints_delete BEFORE DELETE ON audit_checkpoints
    FOR EACH ROW EXECUTE FUNCTION horae_refuse('checkpoints cannot be removed', 'everybody');
CREATE TRIGGER audit_pending_truncate BEFORE TRUNCATE ON audit_pending
    FOR EACH STATEMENT EXECUTE FUNCTION horae_refuse('audit events cannot be removed', 'everybody');
CREATE TRIGGER audit_checkpoints_truncate BEFORE TRUNCATE ON audit_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION horae_refuse('checkpoints cannot be removed', 'everybody');
