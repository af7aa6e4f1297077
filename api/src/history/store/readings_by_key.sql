-- $1, $2: device_id and ts of each row wanted. $3, $4: the oldest and the newest of $2, so that only the partitions
-- between them are planned and opened.
SELECT readings.*
FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (device_id, ts)
JOIN readings ON readings.device_id = wanted.device_id AND readings.ts = wanted.ts
WHERE readings.ts BETWEEN $3 AND $4
