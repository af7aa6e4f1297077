-- Returns the newest probe, for the next report. The first report has none: it says what all workers together say.
INSERT INTO worker_watermarks (worker_id, stored_through, recorded_at, is_leaving, backend_pid, backend_start)
VALUES (
    $1::uuid,
    least(coalesce($2::timestamptz, (SELECT stored_through FROM ingest_availability())), $3::timestamptz),
    clock_timestamp(), $4::boolean, $5::integer, $6::timestamptz
)
ON CONFLICT (worker_id) DO UPDATE SET
    stored_through = excluded.stored_through, recorded_at = excluded.recorded_at, is_leaving = excluded.is_leaving,
    backend_pid = excluded.backend_pid, backend_start = excluded.backend_start
RETURNING (SELECT max(available_until) FROM availability_runs)
