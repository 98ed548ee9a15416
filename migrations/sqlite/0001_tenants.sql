-- Tenants and their keys. Instants are microseconds since 1970-01-01 UTC.

CREATE TABLE tenants (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A key without a tenant is an operator's. Only the SHA-256 of a key is kept.
CREATE TABLE api_keys (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB REFERENCES tenants (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_of_tenant ON api_keys (tenant_id, created_at DESC, id DESC);
