-- When Pulso could hear. A row is one uninterrupted run of one API replica: from `since` to `heard_until` it could take
-- in whatever a device sent. Written by the workers, from the beats that travel through the queue behind the data, so
-- that a beat in here means that the data before it is stored too. What changes has no index (HOT).
CREATE TABLE ingest_beats (
    replica_id uuid NOT NULL,
    since timestamptz NOT NULL,
    heard_until timestamptz NOT NULL,
    -- By this database's clock.
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (replica_id, since)
) WITH (fillfactor = 50);

-- How far each worker is. What the API received up to `clear_until`, this worker has stored or never had in hand.
-- Forgotten some time after the worker has gone: until then, what it held may not have been delivered to another one.
CREATE TABLE storage_marks (
    worker_id uuid PRIMARY KEY,
    -- NULL: there was no beat yet.
    clear_until timestamptz,
    -- By this database's clock.
    marked_at timestamptz NOT NULL,
    -- It has told us that it ends.
    is_leaving boolean NOT NULL,
    -- Its connection, to see whether it is still there.
    backend_pid integer NOT NULL,
    backend_start timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The timeline. Before a device's first change it is offline.
CREATE TABLE device_status_changes (
    device_id uuid NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- When it happened, by the data.
    at timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('online', 'offline')),
    -- When we could be sure.
    decided_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('data', 'silence', 'silence_after_outage')),
    PRIMARY KEY (device_id, at)
);

-- Between the first beat ever and the newest one, the times in which no replica could hear. Before the first one
-- nothing is known, and nobody is spared for it.
CREATE VIEW deaf_spans AS
SELECT heard_before AS deaf_from, since AS deaf_until
FROM (
    SELECT
        since,
        max(heard_until) OVER (ORDER BY since, heard_until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS heard_before
    FROM ingest_beats
) AS runs
WHERE since > heard_before;

-- All that judging silence needs, in one look. `heard_through`: everything the API received up to then is stored (NULL:
-- unknown). The deaf spans are in order of time; the newest 1,000 reach far beyond the longest timeout.
CREATE FUNCTION hearing(
    OUT heard_through timestamptz, OUT deaf_from timestamptz [], OUT deaf_until timestamptz []
) LANGUAGE sql STABLE AS $$
    SELECT
        least((SELECT max(heard_until) FROM ingest_beats), (SELECT min(clear_until) FROM storage_marks)),
        coalesce(array_agg(span.deaf_from ORDER BY span.deaf_from), '{}'),
        coalesce(array_agg(span.deaf_until ORDER BY span.deaf_from), '{}')
    FROM (SELECT * FROM deaf_spans ORDER BY deaf_from DESC LIMIT 1000) AS span
$$;

-- What was heard before there were beats: the time from the newest data to the first beat is one in which nobody
-- listened, such as the upgrade that brings this table.
INSERT INTO ingest_beats (replica_id, since, heard_until)
SELECT '00000000-0000-0000-0000-000000000000', newest, newest
FROM (SELECT least(max(last_seen_at), now()) AS newest FROM device_state HAVING max(last_seen_at) IS NOT NULL) AS data;
