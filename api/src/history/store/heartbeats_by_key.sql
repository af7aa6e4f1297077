-- $1, $2: device_id and ts of each row wanted. $3, $4: the oldest and the newest of $2, so that only the partitions
-- between them are planned and opened.
SELECT heartbeats.*
FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (device_id, ts)
JOIN heartbeats ON heartbeats.device_id = wanted.device_id AND heartbeats.ts = wanted.ts
WHERE heartbeats.ts BETWEEN $3 AND $4
