-- What is done after tasks have ended, and the secrets that webhooks are signed with.

-- Most tasks have none, and their ends must not pay for those that have.
ALTER TABLE tasks ADD COLUMN has_callbacks INTEGER NOT NULL DEFAULT 0;

CREATE TABLE task_callbacks (
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    PRIMARY KEY (task_id, ordinal)
) STRICT, WITHOUT ROWID;

-- A row is made in the transaction that ends its task. The version is the task's at that end.
CREATE TABLE callback_deliveries (
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    tenant_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    url TEXT,
    event TEXT NOT NULL,
    error_code TEXT,
    error_detail TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts INTEGER NOT NULL,
    -- Attempts before it was asked for again.
    attempts_before INTEGER NOT NULL,
    -- Nobody takes it before then: of one that is under way, the end of its sender's lease.
    due_at INTEGER NOT NULL,
    owner TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (task_id, version, ordinal)
) STRICT;
CREATE INDEX callback_deliveries_due ON callback_deliveries (tenant_id, due_at) WHERE status = 'pending';

CREATE TABLE callback_attempts (
    task_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    answer INTEGER,
    error TEXT,
    PRIMARY KEY (task_id, version, ordinal, number),
    FOREIGN KEY (task_id, version, ordinal)
        REFERENCES callback_deliveries (task_id, version, ordinal) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The previous secret signs too until `previous_until`.
CREATE TABLE webhook_secrets (
    tenant_id BLOB NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    secret TEXT NOT NULL,
    previous TEXT,
    previous_until INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
