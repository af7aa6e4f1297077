-- Never backwards: GREATEST passes over NULL. An insert happens only for a device that is gone, and its foreign key
-- says so; a plain UPDATE would not, and it would lock the rows in an order of the planner's choosing, where this
-- takes them in ours, so that two workers cannot deadlock.
INSERT INTO device_state AS known (device_id, heartbeat_ts, reading_ts, last_seen_at)
SELECT unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::timestamptz[]), unnest($4::timestamptz[])
ON CONFLICT (device_id) DO UPDATE SET
    heartbeat_ts = greatest(known.heartbeat_ts, excluded.heartbeat_ts),
    reading_ts = greatest(known.reading_ts, excluded.reading_ts),
    last_seen_at = greatest(known.last_seen_at, excluded.last_seen_at)
