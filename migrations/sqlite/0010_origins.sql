-- Which request asked for a task and for its result, and the trace that the task is part of.

ALTER TABLE tasks ADD COLUMN request_id TEXT;
ALTER TABLE tasks ADD COLUMN traceparent TEXT;
ALTER TABLE provenances ADD COLUMN request_id TEXT;
