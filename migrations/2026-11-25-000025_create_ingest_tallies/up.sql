-- How many readings were accepted and stored, by owner and ten seconds: what /fleet/summary makes its rates of. Each API
-- and worker process writes rows of its own every few seconds, so nobody waits for anybody; a worker deletes the old.
CREATE TABLE ingest_tallies (
    owner_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    slot timestamptz NOT NULL,
    -- The process that counted.
    source uuid NOT NULL,
    accepted bigint NOT NULL,
    stored bigint NOT NULL,
    PRIMARY KEY (owner_id, slot, source)
);
