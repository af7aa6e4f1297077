ALTER TABLE heartbeats_hourly
    ALTER COLUMN cpu_usage_sum TYPE double precision,
    ALTER COLUMN ram_usage_sum TYPE double precision,
    ALTER COLUMN disk_free_sum TYPE double precision,
    ALTER COLUMN temperature_sum TYPE double precision,
    ALTER COLUMN latency_sum TYPE double precision,
    ALTER COLUMN connectivity_sum TYPE double precision;
ALTER TABLE readings_hourly
    ALTER COLUMN temperature_sum TYPE double precision,
    ALTER COLUMN humidity_sum TYPE double precision,
    ALTER COLUMN voltage_sum TYPE double precision,
    ALTER COLUMN current_sum TYPE double precision;
ALTER TABLE readings_minutely
    ALTER COLUMN temperature_sum TYPE double precision,
    ALTER COLUMN humidity_sum TYPE double precision,
    ALTER COLUMN voltage_sum TYPE double precision,
    ALTER COLUMN current_sum TYPE double precision;
