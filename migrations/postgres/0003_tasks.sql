-- Tasks, their artifacts, and remembered Idempotency-Keys.

CREATE TABLE tasks (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    task_type TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority BIGINT NOT NULL,
    config TEXT NOT NULL,
    config_hash TEXT NOT NULL,
    media_id UUID,
    object_path TEXT,
    input_sha256 TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    -- How long it may wait for its start; a user's retry gives it as long again.
    patience_us BIGINT,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'queued', 'running', 'completed', 'failed', 'cancelled')),
    -- The fencing token: it only grows.
    attempt BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    crashes BIGINT NOT NULL,
    version BIGINT NOT NULL,
    run_at BIGINT NOT NULL,
    queued_at BIGINT,
    started_at BIGINT,
    completed_at BIGINT,
    run_id UUID,
    worker_id TEXT,
    lease_expires_at BIGINT,
    deadline_at BIGINT,
    progress DOUBLE PRECISION,
    inference_time_ms DOUBLE PRECISION,
    error_code TEXT,
    error_detail TEXT
) WITH (fillfactor = 70);
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
    task_id UUID NOT NULL PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    run_id UUID NOT NULL,
    config_hash TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    producer TEXT NOT NULL,
    producer_version TEXT NOT NULL,
    model_profile TEXT NOT NULL,
    model_sha256 TEXT
);

CREATE TABLE artifacts (
    task_id UUID NOT NULL REFERENCES provenances (task_id) ON DELETE CASCADE,
    ordinal BIGINT NOT NULL,
    id UUID NOT NULL,
    artifact_type TEXT NOT NULL,
    schema_version BIGINT NOT NULL,
    span_start_ms BIGINT NOT NULL,
    span_end_ms BIGINT NOT NULL,
    payload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (task_id, ordinal)
);

-- The scope says what the key made: a task or a media object.
CREATE TABLE idempotency_keys (
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    target_id UUID NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key, scope)
);
CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at);
