INSERT INTO readings AS stored (device_id, ts, received_at, temperature, humidity, voltage, current, metrics)
SELECT
    unnest($1::uuid[]), unnest($2::timestamptz[]), unnest($3::timestamptz[]), unnest($4::float8[]),
    unnest($5::float8[]), unnest($6::float8[]), unnest($7::float8[]), unnest($8::jsonb[])
