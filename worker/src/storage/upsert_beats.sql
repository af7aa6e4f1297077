-- Beats come again, and late: a run only ever grows.
INSERT INTO ingest_beats AS known (replica_id, since, heard_until)
SELECT replica_id, since, max(heard_until)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS beat (replica_id, since, heard_until)
GROUP BY replica_id, since
ORDER BY replica_id, since
ON CONFLICT (replica_id, since) DO UPDATE SET
    heard_until = greatest(known.heard_until, excluded.heard_until), noted_at = clock_timestamp()
