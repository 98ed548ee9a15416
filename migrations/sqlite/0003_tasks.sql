-- Tasks, their artifacts, and remembered Idempotency-Keys.

CREATE TABLE tasks (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    task_type TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    config TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    media_id BLOB,
    object_path TEXT,
    input_sha256 TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    -- How long it may wait for its start; a user's retry gives it as long again.
    patience_us INTEGER,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    -- The fencing token: it only grows.
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    version INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    queued_at INTEGER,
    started_at INTEGER,
    completed_at INTEGER,
    run_id BLOB,
    worker_id TEXT,
    lease_expires_at INTEGER,
    deadline_at INTEGER,
    progress REAL,
    inference_time_ms REAL,
    error_code TEXT,
    error_detail TEXT
) STRICT;
-- Dispatch hops from tenant to tenant and takes the first rows of each priority.
CREATE INDEX tasks_pending ON tasks (queue, tenant_id, priority DESC, run_at, id) WHERE status = 'pending';
CREATE INDEX tasks_queued ON tasks (queue, queued_at) WHERE status = 'queued';
CREATE INDEX tasks_running ON tasks (lease_expires_at) WHERE status = 'running';
CREATE INDEX tasks_in_flight ON tasks (tenant_id) WHERE status IN ('queued', 'running');
CREATE INDEX tasks_expiring ON tasks (expires_at) WHERE status IN ('pending', 'queued') AND expires_at IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX tasks_listed ON tasks (tenant_id, created_at DESC, id DESC);

-- What made a completed task's artifacts: one row, so they come from one run.
CREATE TABLE provenances (
    task_id BLOB NOT NULL PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    run_id BLOB NOT NULL,
    config_hash TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    producer TEXT NOT NULL,
    producer_version TEXT NOT NULL,
    model_profile TEXT NOT NULL,
    model_sha256 TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    task_id BLOB NOT NULL REFERENCES provenances (task_id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    id BLOB NOT NULL,
    artifact_type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    span_start_ms INTEGER NOT NULL,
    span_end_ms INTEGER NOT NULL,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (task_id, ordinal)
) STRICT, WITHOUT ROWID;

-- The scope says what the key made: a task or a media object.
CREATE TABLE idempotency_keys (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    target_id BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);
