-- Several instances share a store: one of them leads, the others follow (docs/decisions/0016-instances.md).

-- The number of the leader: every transaction that it writes holds this row for as long as it lasts.
CREATE TABLE store_leader (
    id bigint PRIMARY KEY CHECK (id = 1),
    epoch bigint NOT NULL
);
INSERT INTO store_leader (id, epoch) VALUES (1, 0);

-- life: random, of one process; address: where others reach it; clock_offset: of its clock to the store's, in microseconds;
-- plans: whether it may lead (ENABLE_CRON); draining: it is not to lead.
ALTER TABLE instances ADD COLUMN life text NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN address text NOT NULL DEFAULT '';
ALTER TABLE instances ADD COLUMN clock_offset bigint NOT NULL DEFAULT 0;
ALTER TABLE instances ADD COLUMN plans bigint NOT NULL DEFAULT 1;
ALTER TABLE instances ADD COLUMN draining bigint NOT NULL DEFAULT 0;
