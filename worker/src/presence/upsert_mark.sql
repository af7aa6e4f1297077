-- Returns the newest beat, for the next mark. The first one has none: it says what is known of all together.
INSERT INTO storage_marks (worker_id, clear_until, marked_at, is_leaving, backend_pid, backend_start)
VALUES (
    $1::uuid,
    least(coalesce($2::timestamptz, (SELECT heard_through FROM hearing())), $3::timestamptz),
    clock_timestamp(), $4::boolean, $5::integer, $6::timestamptz
)
ON CONFLICT (worker_id) DO UPDATE SET
    clear_until = excluded.clear_until, marked_at = excluded.marked_at, is_leaving = excluded.is_leaving,
    backend_pid = excluded.backend_pid, backend_start = excluded.backend_start
RETURNING (SELECT max(heard_until) FROM ingest_beats)
