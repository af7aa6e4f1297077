-- Probes are redelivered, and arrive late: a run only ever grows.
INSERT INTO availability_runs AS known (replica_id, available_since, available_until)
SELECT replica_id, since, max(until)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS probe (replica_id, since, until)
GROUP BY replica_id, since
ORDER BY replica_id, since
ON CONFLICT (replica_id, available_since) DO UPDATE SET
    available_until = greatest(known.available_until, excluded.available_until), recorded_at = clock_timestamp()
