-- Several instances share a store: one of them leads, the others follow (docs/decisions/0016-instances.md).

-- The number of the leader: every transaction that it writes holds this row for as long as it lasts.
CREATE TABLE store_leader (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
);
INSERT INTO store_leader (id, epoch) VALUES (1, 0);

-- life: random, of one process; address: where others reach it; clock_offset: of its clock to the store's, in microseconds;
-- plans: whether it may lead (ENABLE_CRON); draining: it is not to lead.
ALTER TABLE instances ADD COLUMN life TEXT NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN clock_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN plans INTEGER NOT NULL DEFAULT 1;
ALTER TABLE instances ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
