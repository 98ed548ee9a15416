-- Media objects and models in slots: the rows beside the object store.

CREATE TABLE media (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    content_type TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    duration_ms INTEGER,
    file_name TEXT,
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    object_path TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX media_listed ON media (tenant_id, created_at DESC, id DESC);

CREATE TABLE slots (
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    generation INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, slot)
) STRICT, WITHOUT ROWID;
