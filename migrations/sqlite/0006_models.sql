-- The registry of models, the ledger of what each slot served, and the pairs of model and input that crash.

CREATE TABLE models (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Sorts as versions do.
    precedence BLOB NOT NULL,
    description TEXT,
    metadata TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'uploaded', 'validating', 'ready', 'error', 'archived')),
    sha256 TEXT,
    size_bytes INTEGER,
    facts TEXT,
    error TEXT,
    -- Grows with every change: the fence of whoever validates.
    revision INTEGER NOT NULL,
    validating_until INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (tenant_id, name, version)
) STRICT;
CREATE INDEX models_by_precedence ON models (tenant_id, name, precedence DESC, version DESC);
CREATE INDEX models_listed ON models (tenant_id, created_at DESC, id DESC);

-- Append-only. A row without a generation says that the slot was emptied. The version that was promoted may be gone.
CREATE TABLE slot_history (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    entry INTEGER NOT NULL,
    action TEXT NOT NULL,
    generation INTEGER,
    sha256 TEXT,
    size_bytes INTEGER,
    model_id BLOB,
    model_name TEXT,
    model_version TEXT,
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, slot, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO slot_history (tenant_id, slot, entry, action, generation, sha256, size_bytes, actor, at)
    SELECT tenant_id, slot, 1, 'upload', generation, sha256, size_bytes, '', updated_at FROM slots;

CREATE TABLE model_crashes (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    model_sha256 TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    id BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    crashes INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, model_sha256, input_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_crashes_by_age ON model_crashes (last_at);
