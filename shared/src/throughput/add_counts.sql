INSERT INTO throughput_counts AS known (owner_id, slot, source, accepted, stored)
SELECT devices.owner_id, $4, $5, sum(tally.accepted), sum(tally.stored)
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS tally (device_id, accepted, stored)
JOIN devices ON devices.id = tally.device_id
-- A deleted owner's devices are there for a while.
JOIN users ON users.id = devices.owner_id
GROUP BY devices.owner_id
ON CONFLICT (owner_id, slot, source) DO UPDATE SET
    accepted = known.accepted + excluded.accepted, stored = known.stored + excluded.stored
