SELECT
    count(*) AS total,
    count(*) FILTER (
        WHERE device_state.last_seen_at >= $2 - make_interval(secs => devices.offline_after_s)
    ) AS online
FROM devices
LEFT JOIN device_state ON device_state.device_id = devices.id
WHERE devices.owner_id = $1
