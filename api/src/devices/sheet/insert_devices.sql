-- $1 owner, $2 now; then an array a column. The devices, what is last known of them (nothing), and their first secrets.
WITH sheet AS (
    SELECT *
    FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::bytea[])
        AS sheet (id, name, location, serial_number, description, credential_id, secret_hash)
),
added AS (
    INSERT INTO devices (
        id, owner_id, name, location, serial_number, description, ingest_auth, offline_after_s, is_server, created_at,
        updated_at
    )
    SELECT id, $1, name, location, serial_number, description, $10, $11, false, $2, $2 FROM sheet
),
known AS (
    INSERT INTO device_state (device_id) SELECT id FROM sheet
)
INSERT INTO device_credentials (id, device_id, secret_hash, created_at)
SELECT credential_id, id, secret_hash, $2 FROM sheet
