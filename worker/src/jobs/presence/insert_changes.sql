-- Strictly increasing instants for each device, and only changes: what an earlier leader wrote stands.
INSERT INTO device_status_changes (device_id, at, status, decided_at, reason)
SELECT new.device_id, greatest(new.at, last.at + interval '1 microsecond'), new.status, $5::timestamptz, new.reason
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS new (device_id, at, status, reason)
JOIN devices ON devices.id = new.device_id
LEFT JOIN LATERAL (
    SELECT before.at, before.status FROM device_status_changes AS before
    WHERE before.device_id = new.device_id ORDER BY before.at DESC LIMIT 1
) AS last ON true
WHERE new.status <> coalesce(last.status, 'offline')
-- Nothing is left of a device that is deleted meanwhile.
FOR KEY SHARE OF devices
