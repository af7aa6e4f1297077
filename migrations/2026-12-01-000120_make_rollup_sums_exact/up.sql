-- Sums of rollups become decimal numbers, which are exact in whatever order they are made. What earlier versions have summed
-- stays as it is, but for sums whose mean lay, by their last digits, outside minimum and maximum. Processes of the version
-- before read and write these columns as before. No table is locked here that storing needs: this takes a while.
ALTER TABLE heartbeats_hourly
    ALTER COLUMN cpu_usage_sum TYPE numeric USING greatest(
        least(cpu_usage_sum::text::numeric, cpu_usage_max::text::numeric * cpu_usage_count),
        cpu_usage_min::text::numeric * cpu_usage_count
    ),
    ALTER COLUMN ram_usage_sum TYPE numeric USING greatest(
        least(ram_usage_sum::text::numeric, ram_usage_max::text::numeric * ram_usage_count),
        ram_usage_min::text::numeric * ram_usage_count
    ),
    ALTER COLUMN disk_free_sum TYPE numeric USING greatest(
        least(disk_free_sum::text::numeric, disk_free_max::text::numeric * disk_free_count),
        disk_free_min::text::numeric * disk_free_count
    ),
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count),
        temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN latency_sum TYPE numeric USING greatest(
        least(latency_sum::text::numeric, latency_max::text::numeric * latency_count),
        latency_min::text::numeric * latency_count
    ),
    ALTER COLUMN connectivity_sum TYPE numeric USING greatest(
        least(connectivity_sum::text::numeric, connectivity_max::text::numeric * connectivity_count),
        connectivity_min::text::numeric * connectivity_count
    );
ALTER TABLE readings_hourly
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count),
        temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN humidity_sum TYPE numeric USING greatest(
        least(humidity_sum::text::numeric, humidity_max::text::numeric * humidity_count),
        humidity_min::text::numeric * humidity_count
    ),
    ALTER COLUMN voltage_sum TYPE numeric USING greatest(
        least(voltage_sum::text::numeric, voltage_max::text::numeric * voltage_count),
        voltage_min::text::numeric * voltage_count
    ),
    ALTER COLUMN current_sum TYPE numeric USING greatest(
        least(current_sum::text::numeric, current_max::text::numeric * current_count),
        current_min::text::numeric * current_count
    );
ALTER TABLE readings_minutely
    ALTER COLUMN temperature_sum TYPE numeric USING greatest(
        least(temperature_sum::text::numeric, temperature_max::text::numeric * temperature_count),
        temperature_min::text::numeric * temperature_count
    ),
    ALTER COLUMN humidity_sum TYPE numeric USING greatest(
        least(humidity_sum::text::numeric, humidity_max::text::numeric * humidity_count),
        humidity_min::text::numeric * humidity_count
    ),
    ALTER COLUMN voltage_sum TYPE numeric USING greatest(
        least(voltage_sum::text::numeric, voltage_max::text::numeric * voltage_count),
        voltage_min::text::numeric * voltage_count
    ),
    ALTER COLUMN current_sum TYPE numeric USING greatest(
        least(current_sum::text::numeric, current_max::text::numeric * current_count),
        current_min::text::numeric * current_count
    );
