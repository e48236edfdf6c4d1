-- SPDX-License-Identifier: Apache-2.0
-- A database as the version before the audit log left it (migrations 1 to 5), with tasks, runs, a user and a token: test_upgrade.py.
BEGIN TRANSACTION;
CREATE TABLE api_tokens (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    expires_at INTEGER,
    last_used_at INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
);
INSERT INTO "api_tokens" VALUES(1,X'01A2147D86FC71E6A2D4EF2BC4F01016','kept','operator',X'7594A3C202579C0DF08A8307668D2DA74850313BD7126F71AAA359866DC78BC9',NULL,NULL,1795640100604653,'admin-token');
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "counters" VALUES('fence',6);
CREATE TABLE idempotency (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (principal, key)
) WITHOUT ROWID;
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
INSERT INTO "instances" VALUES('vm-73ea4c36','vm','0.1.0','{"team":"ops"}',1795640100252176,1795640100712889,1795640100712889,256);
CREATE TABLE sched_task_labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    task_id INTEGER NOT NULL,
    PRIMARY KEY (name, value, task_id)
) WITHOUT ROWID;
INSERT INTO "sched_task_labels" VALUES('team','ops',3);
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
INSERT INTO "sched_tasks" VALUES(1,X'01A2147D85A47E00ACD148EE07DA115E','execution_cleanup','execution_cleanup',1,0,1,'{"name":"execution_cleanup","is_recurring":true,"cron_expr":"0 2 * * *","timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"Deletes executions, ledger rows and logs that are older than their retention.","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-85a4-7e00-acd1-48ee07da115e",1795640100260793,0,0]}',1795640100260793,1795640100260793,1795658400000000,NULL,'',0,0,0,0,0,0,0,0,1795640100260793,1,1,0,0,0,0,0,0);
INSERT INTO "sched_tasks" VALUES(2,X'01A2147D85A47E2594F7FA801DB63B87','lock_cleanup','lock_cleanup',1,0,1,'{"name":"lock_cleanup","is_recurring":true,"cron_expr":"0 3 * * *","timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"Deletes released and expired locks that are older than their retention.","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-85a4-7e25-94f7-fa801db63b87",1795640100260793,0,0]}',1795640100260793,1795640100260793,1795662000000000,NULL,'',0,0,0,0,0,0,0,0,1795640100260793,2,2,0,0,0,0,0,0);
INSERT INTO "sched_tasks" VALUES(3,X'01A2147D86017B18904A91C12CE0848E','nightly','noop',1,7,1,'{"name":"nightly","is_recurring":true,"cron_expr":"0 2 * * *","timezone":"Europe/Berlin","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"the old one","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"labels":{"team":"ops"},"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8601-7b18-904a-91c12ce0848e",1795640100353956,0,0]}',1795640100353956,1795640100353956,1795654800000000,1795640100485317,'',1,1,0,0,0,0,0,1,1795640100353956,3,3,0,0,0,0,0,0);
INSERT INTO "sched_tasks" VALUES(4,X'01A2147D86807E6781DFA7EAFFABB137','every-5','noop',0,0,1,'{"name":"every-5","is_recurring":true,"timezone":"UTC","interval":300,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8680-7e67-81df-a7eaffabb137",1795640100480797,0,0]}',1795640100480797,1795640100480797,NULL,NULL,'',0,0,0,0,0,0,0,0,1795640100480797,4,4,0,0,0,0,0,0);
INSERT INTO "sched_tasks" VALUES(5,X'01A2147D86827FEBA6B30572A4722F3C','breaks','noop',1,0,1,'{"name":"breaks","is_recurring":false,"timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":0,"timeout_grace_period":30,"max_concurrent":1,"data":"{\"fail_attempts\": 1000}","misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8682-7feb-a6b3-0572a4722f3c",1795640100482492,0,0]}',1795640100482492,1795640100482492,NULL,1795640100555490,'attempt 1 fails as asked (fail_attempts 1000)',3,0,3,0,0,3,0,42,1795640100482492,5,5,0,0,0,0,0,0);
INSERT INTO "sched_tasks" VALUES(6,X'01A2147D86837F378BFD4348ADE7583E','says','command',1,0,1,'{"name":"says","is_recurring":false,"timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"data":"{\"argv\":[\"echo\",\"hello of old\"]}","misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8683-7f37-8bfd-4348ade7583e",1795640100483772,0,0]}',1795640100483772,1795640100483772,NULL,1795640100578322,'',1,1,0,0,0,0,1,1,1795640100483772,6,6,0,0,0,0,0,0);
CREATE TABLE schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL);
INSERT INTO "schema_migrations" VALUES(1,'meta','229fc5029660e62b',1795640100244237);
INSERT INTO "schema_migrations" VALUES(2,'cluster','0435a137c6f8763b',1795640100244347);
INSERT INTO "schema_migrations" VALUES(3,'access','5b603b1feecf7450',1795640100244474);
INSERT INTO "schema_migrations" VALUES(4,'sched','84fe6c36e0deeb90',1795640100244898);
INSERT INTO "schema_migrations" VALUES(5,'history','e6f478803146a938',1795640100245096);
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL,
    access_hash BLOB NOT NULL UNIQUE,
    refresh_hash BLOB NOT NULL UNIQUE,
    access_expires_at INTEGER NOT NULL,
    refresh_expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "settings" VALUES('execution_retention_days','3650',1795640100701273,'admin-token');
INSERT INTO "settings" VALUES('zone_rules','2025b:3f94182bd9e8fd4f 0.1.0',1795640100260678,'scheduler');
CREATE TABLE task_epochs (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    definition TEXT NOT NULL
);
INSERT INTO "task_epochs" VALUES(1,1,1795640100260793,'{"name":"execution_cleanup","is_recurring":true,"cron_expr":"0 2 * * *","timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"Deletes executions, ledger rows and logs that are older than their retention.","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-85a4-7e00-acd1-48ee07da115e",1795640100260793,0,0]}');
INSERT INTO "task_epochs" VALUES(2,2,1795640100260793,'{"name":"lock_cleanup","is_recurring":true,"cron_expr":"0 3 * * *","timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"Deletes released and expired locks that are older than their retention.","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-85a4-7e25-94f7-fa801db63b87",1795640100260793,0,0]}');
INSERT INTO "task_epochs" VALUES(3,3,1795640100353956,'{"name":"nightly","is_recurring":true,"cron_expr":"0 2 * * *","timezone":"Europe/Berlin","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"description":"the old one","max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"labels":{"team":"ops"},"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8601-7b18-904a-91c12ce0848e",1795640100353956,0,0]}');
INSERT INTO "task_epochs" VALUES(4,4,1795640100480797,'{"name":"every-5","is_recurring":true,"timezone":"UTC","interval":300,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8680-7e67-81df-a7eaffabb137",1795640100480797,0,0]}');
INSERT INTO "task_epochs" VALUES(5,5,1795640100482492,'{"name":"breaks","is_recurring":false,"timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":0,"timeout_grace_period":30,"max_concurrent":1,"data":"{\"fail_attempts\": 1000}","misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8682-7feb-a6b3-0572a4722f3c",1795640100482492,0,0]}');
INSERT INTO "task_epochs" VALUES(6,6,1795640100483772,'{"name":"says","is_recurring":false,"timezone":"UTC","interval":0,"gap":"auto","fold":"auto","jitter_seconds":0,"max_duration_seconds":3600,"max_retries":3,"timeout_grace_period":30,"max_concurrent":1,"data":"{\"argv\":[\"echo\",\"hello of old\"]}","misfire_policy":"run_once","start_deadline_seconds":0,"overlap":"skip","retry_backoff":{"base_ms":1000,"cap_ms":300000,"jitter_percent":10},"x":["01a2147d-8683-7f37-8bfd-4348ade7583e",1795640100483772,0,0]}');
CREATE TABLE task_execution_hours (
    hour INTEGER NOT NULL,
    block INTEGER NOT NULL,
    PRIMARY KEY (hour, block)
) WITHOUT ROWID;
INSERT INTO "task_execution_hours" VALUES(498788,0);
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
INSERT INTO "task_executions" VALUES(1,X'01A2147D86847E24B53502C3162CDA51',3,3,2,1,0,7,1795640100484949,1795640100484949,1795640100484949,1795640100485317,1795640100485317,1795640100485317,1,2,'vm-73ea4c36',NULL,0,100,0,'admin-token',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_executions" VALUES(2,X'01A2147D869C75A78EBB3224B3F589AD',5,5,3,1,0,0,1795640100508448,1795640100508448,1795640100508448,1795640100508919,1795640100508932,1795640100508932,1,3,'vm-73ea4c36',NULL,0,0,0,'admin-token',NULL,NULL,NULL,'attempt 1 fails as asked (fail_attempts 1000)',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_executions" VALUES(3,X'01A2147D86B376DE97F832DBEB1EC499',5,5,3,1,0,0,1795640100531755,1795640100531755,1795640100531755,1795640100532258,1795640100532271,1795640100532271,1,4,'vm-73ea4c36',NULL,0,0,0,'admin-token',NULL,NULL,NULL,'attempt 1 fails as asked (fail_attempts 1000)',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_executions" VALUES(4,X'01A2147D86CB7A5FA4E8D090E58E08A1',5,5,3,1,0,0,1795640100555037,1795640100555037,1795640100555037,1795640100555477,1795640100555490,1795640100555490,1,5,'vm-73ea4c36',NULL,0,0,0,'admin-token',NULL,NULL,NULL,'attempt 1 fails as asked (fail_attempts 1000)',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_executions" VALUES(5,X'01A2147D86CC7B0BBEC571561010D5F8',6,6,2,1,0,0,1795640100556940,1795640100556940,1795640100556940,1795640100577088,1795640100578322,1795640100578322,1,6,'vm-73ea4c36',NULL,0,100,0,'admin-token',NULL,NULL,'hello of old
',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "task_executions" VALUES(6,X'01A2147D86F973D496DFBBDABBB5B46B',3,3,0,1,0,7,4070908800000000,1795640100601343,4070908800000000,NULL,NULL,1795640100601343,0,0,NULL,NULL,0,0,0,'admin-token',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "task_locks" VALUES(1,'scheduler_global','vm-73ea4c36','01a2147d-859c-731d-8507-42bf1c5a1ad1',1,2,1795640100252519,1795640160252520,1795640100712283,'planner',1795640100252519,1795640100712283);
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
CREATE TABLE task_snapshots (
    id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL,
    task_uid BLOB NOT NULL,
    task_name TEXT NOT NULL,
    task_type TEXT NOT NULL
);
INSERT INTO "task_snapshots" VALUES(1,1,X'01A2147D85A47E00ACD148EE07DA115E','execution_cleanup','execution_cleanup');
INSERT INTO "task_snapshots" VALUES(2,2,X'01A2147D85A47E2594F7FA801DB63B87','lock_cleanup','lock_cleanup');
INSERT INTO "task_snapshots" VALUES(3,3,X'01A2147D86017B18904A91C12CE0848E','nightly','noop');
INSERT INTO "task_snapshots" VALUES(4,4,X'01A2147D86807E6781DFA7EAFFABB137','every-5','noop');
INSERT INTO "task_snapshots" VALUES(5,5,X'01A2147D86827FEBA6B30572A4722F3C','breaks','noop');
INSERT INTO "task_snapshots" VALUES(6,6,X'01A2147D86837F378BFD4348ADE7583E','says','command');
CREATE TABLE task_stats_by_hour (
    hour INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    total INTEGER NOT NULL,
    success INTEGER NOT NULL,
    failure INTEGER NOT NULL,
    success_duration_ms INTEGER NOT NULL,
    PRIMARY KEY (hour, task_id)
) WITHOUT ROWID;
INSERT INTO "task_stats_by_hour" VALUES(498788,3,1,1,0,0);
INSERT INTO "task_stats_by_hour" VALUES(498788,5,3,0,3,0);
INSERT INTO "task_stats_by_hour" VALUES(498788,6,1,1,0,1);
CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL UNIQUE,
    username TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_login_at INTEGER
);
INSERT INTO "users" VALUES(1,X'01A2147D85B078058D246F6A3CA53D93','admin','$argon2id$v=19$m=65536,t=2,p=1$rFRtUVgeOyDZYYdub3Sgbw$xPq/1bE0J9tAIATnBwOPOLQzrrZ9F18xIazjfvtV30c','admin',1,1795640100272136,1795640100272136,NULL);
INSERT INTO "users" VALUES(2,X'01A2147D86FE79409BFCEDF8B714DC48','ann','$argon2id$v=19$m=65536,t=2,p=1$svywejn6fdYi/GpBGAn+CA$wF/+POYGaGRJdWMdO+gCpGQoccEU8LKOEuqJGgftiyU','viewer',1,1795640100606092,1795640100606092,NULL);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
CREATE UNIQUE INDEX task_locks_active ON task_locks (lock_key) WHERE state = 0;
CREATE INDEX task_locks_state ON task_locks (state, expires_at);
CREATE INDEX task_locks_holder ON task_locks (holder_id);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (refresh_expires_at);
CREATE INDEX sched_tasks_type ON sched_tasks (type);
CREATE INDEX sched_task_labels_task ON sched_task_labels (task_id);
CREATE INDEX task_epochs_task ON task_epochs (task_id, id);
CREATE INDEX task_snapshots_name ON task_snapshots (task_name);
CREATE INDEX task_snapshots_uid ON task_snapshots (task_uid);
CREATE INDEX task_executions_task ON task_executions (task_id, id);
CREATE INDEX task_executions_active ON task_executions (state, id) WHERE state < 2;
CREATE UNIQUE INDEX task_executions_slot ON task_executions (task_id, scheduled_at) WHERE cause IN (0, 3);
CREATE UNIQUE INDEX task_executions_key ON task_executions (task_id, unique_key) WHERE unique_key IS NOT NULL AND state < 2;
CREATE INDEX task_occurrences_task ON task_occurrences (task_id, last_at);
CREATE INDEX task_executions_task_state ON task_executions (task_id, state, id) WHERE state >= 2;
CREATE INDEX task_executions_finished ON task_executions (state, id) WHERE state >= 2;
CREATE INDEX task_executions_waited ON task_executions (started_at) WHERE started_at - created_at > 3600000000;
CREATE INDEX task_stats_by_hour_task ON task_stats_by_hour (task_id, hour);
COMMIT;
