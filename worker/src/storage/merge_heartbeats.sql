-- Behind the INSERT: rows that are there already gain the values that they lack. The first value of a metric counts
-- (`OneRow::merge` in shared), and a row to which nothing is new is not written.
ON CONFLICT (device_id, ts) DO UPDATE SET
    cpu_usage = coalesce(stored.cpu_usage, excluded.cpu_usage),
    ram_usage = coalesce(stored.ram_usage, excluded.ram_usage),
    disk_free = coalesce(stored.disk_free, excluded.disk_free),
    temperature = coalesce(stored.temperature, excluded.temperature),
    latency = coalesce(stored.latency, excluded.latency),
    connectivity = coalesce(stored.connectivity, excluded.connectivity),
    boot_time = coalesce(stored.boot_time, excluded.boot_time)
WHERE (stored.cpu_usage IS NULL AND excluded.cpu_usage IS NOT NULL)
    OR (stored.ram_usage IS NULL AND excluded.ram_usage IS NOT NULL)
    OR (stored.disk_free IS NULL AND excluded.disk_free IS NOT NULL)
    OR (stored.temperature IS NULL AND excluded.temperature IS NOT NULL)
    OR (stored.latency IS NULL AND excluded.latency IS NOT NULL)
    OR (stored.connectivity IS NULL AND excluded.connectivity IS NOT NULL)
    OR (stored.boot_time IS NULL AND excluded.boot_time IS NOT NULL)
