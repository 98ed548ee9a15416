-- Media objects and models in slots: the rows beside the object store.

CREATE TABLE media (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    content_type TEXT NOT NULL,
    width BIGINT,
    height BIGINT,
    duration_ms BIGINT,
    file_name TEXT,
    size_bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    object_path TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);
CREATE INDEX media_listed ON media (tenant_id, created_at DESC, id DESC);

CREATE TABLE slots (
    tenant_id UUID NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    slot TEXT NOT NULL,
    generation BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, slot)
);
