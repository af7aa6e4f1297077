-- $1, $2: device_id and ts of each row that is waited for. $3, $4: the oldest and the newest of $2, so that only the
-- partitions between them are opened. LIMIT keeps it at one look into the key's index for each: never a join that reads
-- a day to find a row.
SELECT there.*
FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (device_id, ts)
CROSS JOIN LATERAL (
    SELECT * FROM readings AS stored
    WHERE stored.device_id = wanted.device_id AND stored.ts = wanted.ts AND stored.ts BETWEEN $3 AND $4
    LIMIT 1
) AS there
