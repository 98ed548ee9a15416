-- What is done after tasks have ended, and the secrets that webhooks are signed with.

-- Most tasks have none, and their ends must not pay for those that have.
ALTER TABLE tasks ADD COLUMN has_callbacks BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE task_callbacks (
    task_id UUID NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    ordinal BIGINT NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    PRIMARY KEY (task_id, ordinal)
);

-- A row is made in the transaction that ends its task. The version is the task's at that end.
CREATE TABLE callback_deliveries (
    task_id UUID NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    tenant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    event TEXT NOT NULL,
    error_code TEXT,
    error_detail TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts BIGINT NOT NULL,
    -- Attempts before it was asked for again.
    attempts_before BIGINT NOT NULL,
    -- Nobody takes it before then: of one that is under way, the end of its sender's lease.
    due_at BIGINT NOT NULL,
    owner TEXT,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (task_id, version, ordinal)
);
CREATE INDEX callback_deliveries_due ON callback_deliveries (tenant_id, due_at) WHERE status = 'pending';

CREATE TABLE callback_attempts (
    task_id UUID NOT NULL,
    version BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    number BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    answer BIGINT,
    error TEXT,
    PRIMARY KEY (task_id, version, ordinal, number),
    FOREIGN KEY (task_id, version, ordinal)
        REFERENCES callback_deliveries (task_id, version, ordinal) ON DELETE CASCADE
);

-- The previous secret signs too until `previous_until`.
CREATE TABLE webhook_secrets (
    tenant_id UUID NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    secret TEXT NOT NULL,
    previous TEXT,
    previous_until BIGINT,
    created_at BIGINT NOT NULL
);
