-- Never backwards: GREATEST ignores NULL. Every existing device has its row, so an insert happens only for a deleted
-- one, and fails on the foreign key, which a plain UPDATE would not. An UPDATE would also lock the rows in the
-- planner's order; this locks them in the order of the arrays, so that two workers cannot deadlock.
INSERT INTO device_state AS known (device_id, heartbeat_ts, reading_ts, last_seen_at)
SELECT unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::timestamptz[]), unnest($4::timestamptz[])
ON CONFLICT (device_id) DO UPDATE SET
    heartbeat_ts = greatest(known.heartbeat_ts, excluded.heartbeat_ts),
    reading_ts = greatest(known.reading_ts, excluded.reading_ts),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
