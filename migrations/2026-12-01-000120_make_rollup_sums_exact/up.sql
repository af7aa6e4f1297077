-- Sums of rollups become decimal numbers, which are exact in whatever order they are made. A worker computes the rollups
-- anew of which there are raw rows (`sums_are_exact`); what the others hold stays as it is, but for sums whose mean lay, by
-- their last digits, outside minimum and maximum. Processes of the version before read and write these columns as before.
ALTER TABLE rollup_watermarks ADD COLUMN sums_are_exact boolean NOT NULL DEFAULT false;
UPDATE rollup_watermarks SET sums_are_exact = CASE source
    WHEN 'heartbeats' THEN NOT EXISTS (SELECT FROM heartbeats_hourly)
    ELSE NOT EXISTS (SELECT FROM readings_hourly)
END;

ALTER TABLE heartbeats_hourly
    ALTER COLUMN cpu_usage_sum TYPE numeric USING greatest(
        least(cpu_usage_sum::text::numeric, cpu_usage_max::text::numeric * cpu_usage_count), cpu_usage_min::text::numeric * cpu_usage_count
    ),
    ALTER COLUMN ram_usage_sum TYPE numeric USING greatest(
        least(ram_usage_sum::text::numeric, ram_usage_max::text::numeric * ram_usage_count), ram_usage_min::text::numeric * ram_usage_count
    ),
    ALTER COLUMN disk_free_sum TYPE numeric USING greatest(
        least(disk_free_sum::text::numeric, disk_free_max::text::numeric * disk_free_count), disk_free_min::text::numeric * disk_free_count
    ),
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count), temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN latency_sum TYPE numeric USING greatest(
        least(latency_sum::text::numeric, latency_max::text::numeric * latency_count), latency_min::text::numeric * latency_count
    ),
    ALTER COLUMN connectivity_sum TYPE numeric USING greatest(
        least(connectivity_sum::text::numeric, connectivity_max::text::numeric * connectivity_count), connectivity_min::text::numeric * connectivity_count
    );
ALTER TABLE readings_hourly
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count), temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN humidity_sum TYPE numeric USING greatest(
        least(humidity_sum::text::numeric, humidity_max::text::numeric * humidity_count), humidity_min::text::numeric * humidity_count
    ),
    ALTER COLUMN voltage_sum TYPE numeric USING greatest(
        least(voltage_sum::text::numeric, voltage_max::text::numeric * voltage_count), voltage_min::text::numeric * voltage_count
    ),
    ALTER COLUMN current_sum TYPE numeric USING greatest(
        least(current_sum::text::numeric, current_max::text::numeric * current_count), current_min::text::numeric * current_count
    );
ALTER TABLE readings_minutely
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count), temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN humidity_sum TYPE numeric USING greatest(
        least(humidity_sum::text::numeric, humidity_max::text::numeric * humidity_count), humidity_min::text::numeric * humidity_count
    ),
    ALTER COLUMN voltage_sum TYPE numeric USING greatest(
        least(voltage_sum::text::numeric, voltage_max::text::numeric * voltage_count), voltage_min::text::numeric * voltage_count
    ),
    ALTER COLUMN current_sum TYPE numeric USING greatest(
        least(current_sum::text::numeric, current_max::text::numeric * current_count), current_min::text::numeric * current_count
    );
