-- Workers that have ended. What one held must have been delivered to another one by then: at once when it said goodbye;
-- within the longest wait of a retry when its connections are closed; when its machine is off the network, after the
-- broker has missed two of its heartbeats (10 s each).
DELETE FROM storage_marks AS mark
WHERE
    marked_at < clock_timestamp() - CASE
        WHEN is_leaving THEN interval '2 seconds'
        WHEN NOT EXISTS (
            SELECT FROM pg_stat_activity AS backend
            WHERE backend.pid = mark.backend_pid AND backend.backend_start = mark.backend_start
        ) THEN interval '8 seconds'
        ELSE interval '30 seconds'
    END
