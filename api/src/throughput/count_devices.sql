-- $2, $3: how old the newest data may be, for each timeout in use (crate::devices::online_bounds).
SELECT
    count(*) AS total,
    count(*) FILTER (
        WHERE device_state.last_seen_at >= ($2::timestamptz[])[array_position($3::int[], devices.offline_after_s)]
    ) AS online
FROM devices
LEFT JOIN device_state ON device_state.device_id = devices.id
WHERE devices.owner_id = $1
