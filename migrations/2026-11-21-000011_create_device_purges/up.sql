-- Devices that are deleted, but whose heartbeats and readings are not yet: there may be millions of them, and a worker
-- deletes them a few thousand at a time. No new ones can come: device_state's foreign key refuses them.
CREATE TABLE device_purges (
    device_id uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);
