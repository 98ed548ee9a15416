-- Tenants and their keys. Instants are microseconds since 1970-01-01 UTC.

CREATE TABLE tenants (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT,
    disabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL
);

-- A key without a tenant is an operator's. Only the SHA-256 of a key is kept.
CREATE TABLE api_keys (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, created_at DESC, id DESC);
