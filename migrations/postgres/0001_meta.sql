-- Times are UTC microseconds; whole numbers are bigint throughout, which is what the program binds; truth is 0 or 1. Names that are
-- ordered or looked up compare by their bytes, whatever the database's language.
-- What every other part needs: counters that only grow, settings changed at run time, answers kept for repeats.

-- Numbers are taken as blocks inside the transaction that uses them: fences are max + 1 (rulings section 3).
CREATE TABLE counters (
    name text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);

-- A row of every transaction that may be in doubt: when the answer to its COMMIT was lost, the row tells whether it was carried out.
-- Emptied every few thousand transactions.
CREATE TABLE store_commits (
    id bigint NOT NULL
);

CREATE TABLE settings (
    key text COLLATE "C" PRIMARY KEY,
    value text NOT NULL,
    updated_at bigint NOT NULL,
    updated_by text NOT NULL
);

-- The answer to a request with an Idempotency-Key, for 24 hours.
CREATE TABLE idempotency (
    principal text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status bigint NOT NULL,
    body bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
