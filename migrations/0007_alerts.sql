-- Alerts on their way out: one row for each channel of each message, written with what it tells of where that is a change in
-- the store. Claimable rows (db/claim.h): state 0 waits, 1 was tried, 2 sent, 3 dead.
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid BLOB NOT NULL, -- of the message: its rows share it
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    payload TEXT NOT NULL, -- the body that is sent, the same in every attempt
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    sent_at INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_until INTEGER,
    owner_epoch INTEGER NOT NULL DEFAULT 0
);
-- What is still to be sent: small however many were.
CREATE INDEX alerts_due ON alerts (due_at, id) WHERE state < 2;
CREATE INDEX alerts_dead ON alerts (id) WHERE state = 3;

-- What was told last about something: repeats within a minute are counted, a condition is told once until it is over.
CREATE TABLE alert_subjects (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    firing INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
