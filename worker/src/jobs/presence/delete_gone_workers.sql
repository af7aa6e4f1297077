-- Workers that have ended. What one had in flight must have been delivered to another one by then: at once when it left
-- in order; within the longest retry when its connections are closed; when its machine lost the network, after the
-- broker has missed two of its AMQP heartbeats (10 s each).
DELETE FROM worker_watermarks AS worker
WHERE
    recorded_at < clock_timestamp() - CASE
        WHEN is_leaving THEN interval '2 seconds'
        WHEN NOT EXISTS (
            SELECT FROM pg_stat_activity AS backend
            WHERE backend.pid = worker.backend_pid AND backend.backend_start = worker.backend_start
        ) THEN interval '8 seconds'
        ELSE interval '30 seconds'
    END
