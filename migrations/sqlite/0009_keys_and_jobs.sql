-- An Idempotency-Key of an operator makes one tenant, whichever it is.
CREATE UNIQUE INDEX idempotency_keys_of_operators ON idempotency_keys (key) WHERE scope = 'tenant';

-- Jobs go with the model that they ask; their configuration begins with its id.
CREATE INDEX jobs_of_model ON tasks (tenant_id, substr(config, 1, 50)) WHERE task_type = 'inference';
