CREATE TABLE devices (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    location text CHECK (char_length(location) <= 200),
    serial_number text CHECK (serial_number ~ '^[0-9]{12}$'),
    description text CHECK (char_length(description) <= 2000),
    -- 'open': its id is enough to send data for it; 'token': a credential is needed.
    ingest_auth text NOT NULL CHECK (ingest_auth IN ('open', 'token')),
    offline_after_s integer NOT NULL CHECK (offline_after_s BETWEEN 1 AND 604800),
    -- Registered through /servers.
    is_server boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT devices_owner_id_serial_number_key UNIQUE (owner_id, serial_number)
);
-- The owner's list, newest last, page by page.
CREATE INDEX devices_owner_id_id_idx ON devices (owner_id, id);

CREATE TABLE device_credentials (
    id uuid PRIMARY KEY,
    device_id uuid NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- SHA-256 of 256 random bits: nothing to guess, so nothing to slow down.
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX device_credentials_device_id_idx ON device_credentials (device_id);

-- The newest of what each device sent; a row for every device from its first moment. Updated once a batch.
-- No index but the key, and half of each page left free, so that updates stay in their page (HOT).
CREATE TABLE device_state (
    device_id uuid PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    heartbeat_ts timestamptz,
    reading_ts timestamptz,
    -- The earlier of the device's own timestamp and our receipt.
    last_seen_at timestamptz
) WITH (fillfactor = 50);
