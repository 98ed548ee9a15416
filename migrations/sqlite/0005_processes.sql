-- Which process leads where only one should act, and which processes live. Both lapse unless they are renewed.

CREATE TABLE leader_leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE processes (
    id TEXT NOT NULL PRIMARY KEY,
    service TEXT NOT NULL,
    host TEXT NOT NULL,
    queues TEXT NOT NULL,
    running BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX processes_seen ON processes (seen_at);
