SELECT coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(stored), 0)::bigint AS stored
FROM throughput_counts
WHERE owner_id = $1 AND slot >= $2 AND slot < $3
