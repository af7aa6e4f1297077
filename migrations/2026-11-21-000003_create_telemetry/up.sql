-- One partition a day of the device's own timestamp, made ahead by the worker; whatever has no partition lands in the
-- default one, so that no client can make partitions by inventing dates. (device_id, ts) is the only index: it makes
-- a reading one row however often it is delivered, and it is the order in which readings are read back.
CREATE TABLE heartbeats (
    device_id uuid NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    cpu_usage double precision,
    ram_usage double precision,
    disk_free double precision,
    temperature double precision,
    latency double precision,
    connectivity boolean,
    boot_time timestamptz,
    PRIMARY KEY (device_id, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE heartbeats_default PARTITION OF heartbeats DEFAULT;

CREATE TABLE readings (
    device_id uuid NOT NULL,
    ts timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    temperature double precision,
    humidity double precision,
    voltage double precision,
    current double precision,
    metrics jsonb,
    PRIMARY KEY (device_id, ts)
) PARTITION BY RANGE (ts);
CREATE TABLE readings_default PARTITION OF readings DEFAULT;
