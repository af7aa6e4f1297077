INSERT INTO heartbeats AS stored (
    device_id, ts, received_at, cpu_usage, ram_usage, disk_free, temperature, latency, connectivity, boot_time
)
SELECT
    unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::timestamptz[]), unnest($4::float8[]),
    unnest($5::float8[]), unnest($6::float8[]), unnest($7::float8[]), unnest($8::float8[]), unnest($9::bool[]),
    unnest($10::timestamptz[])
