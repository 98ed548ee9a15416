-- Records of synchronous predictions. They are written after the answer, in batches.

CREATE TABLE predictions (
    id BLOB NOT NULL PRIMARY KEY,
    tenant_id BLOB NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    model_id BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    request_id TEXT,
    client_ip TEXT,
    cached INTEGER NOT NULL,
    inference_time_ms REAL NOT NULL,
    -- Missing when they were too large to be kept.
    input_data TEXT,
    output_data TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX predictions_of_model ON predictions (model_id, created_at DESC, id DESC);
CREATE INDEX predictions_of_tenant ON predictions (tenant_id);
CREATE INDEX predictions_by_age ON predictions (created_at);
