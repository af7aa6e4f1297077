-- Rollups: what each device sent in an hour (of readings also in a minute), as count, sum, min and max of each metric.
-- They are computed from the raw rows once an hour is over. How they stay exact is told in docs/reading.md.

-- How far each table of raw rows is rolled up; all instants are full hours.
CREATE TABLE rollup_frontiers (
    source text PRIMARY KEY CHECK (source IN ('heartbeats', 'readings')),
    -- Whoever stores a row of an hour before this one leaves a mark, in the same transaction. It moves only while
    -- nobody stores (an advisory lock), and never backwards.
    marking_until timestamptz NOT NULL,
    -- Hours before this one have their rollups; where one carries a mark, the raw rows count instead.
    rolled_until timestamptz NOT NULL,
    -- Raw rows before this hour have been given up; their rollups are all there is, and are never computed again.
    raw_from timestamptz NOT NULL,
    CONSTRAINT rollup_frontiers_order CHECK (rolled_until <= marking_until)
);
INSERT INTO rollup_frontiers (source, marking_until, rolled_until, raw_from)
SELECT source, '0001-01-01 00:00:00+00', '0001-01-01 00:00:00+00', '0001-01-01 00:00:00+00'
FROM unnest(ARRAY['heartbeats', 'readings']) AS source;

-- Hours of devices that have to be computed again. Only ever inserted and deleted, so that a mark made while its hour
-- is being computed is another row, and stays.
CREATE TABLE rollup_marks (
    source text NOT NULL,
    device_id uuid NOT NULL,
    hour timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX rollup_marks_idx ON rollup_marks (source, device_id, hour);

-- The key answers for one device; the second index for all devices of a day, in the order of the answer.
CREATE TABLE heartbeats_hourly (
    device_id uuid NOT NULL,
    bucket timestamptz NOT NULL,
    cpu_usage_sum double precision,
    cpu_usage_min double precision,
    cpu_usage_max double precision,
    ram_usage_sum double precision,
    ram_usage_min double precision,
    ram_usage_max double precision,
    disk_free_sum double precision,
    disk_free_min double precision,
    disk_free_max double precision,
    temperature_sum double precision,
    temperature_min double precision,
    temperature_max double precision,
    latency_sum double precision,
    latency_min double precision,
    latency_max double precision,
    connectivity_sum double precision,
    connectivity_min double precision,
    connectivity_max double precision,
    cpu_usage_count integer NOT NULL,
    ram_usage_count integer NOT NULL,
    disk_free_count integer NOT NULL,
    temperature_count integer NOT NULL,
    latency_count integer NOT NULL,
    connectivity_count integer NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
CREATE INDEX heartbeats_hourly_bucket_idx ON heartbeats_hourly (bucket, device_id);

CREATE TABLE readings_hourly (
    device_id uuid NOT NULL,
    bucket timestamptz NOT NULL,
    temperature_sum double precision,
    temperature_min double precision,
    temperature_max double precision,
    humidity_sum double precision,
    humidity_min double precision,
    humidity_max double precision,
    voltage_sum double precision,
    voltage_min double precision,
    voltage_max double precision,
    current_sum double precision,
    current_min double precision,
    current_max double precision,
    temperature_count integer NOT NULL,
    humidity_count integer NOT NULL,
    voltage_count integer NOT NULL,
    current_count integer NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
CREATE INDEX readings_hourly_bucket_idx ON readings_hourly (bucket, device_id);

CREATE TABLE readings_minutely (LIKE readings_hourly INCLUDING ALL);
