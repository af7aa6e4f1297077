DELETE FROM device_status_changes WHERE device_id NOT IN (SELECT id FROM devices);
DELETE FROM tasks WHERE owner_id NOT IN (SELECT id FROM users);
INSERT INTO device_purges (device_id)
SELECT id FROM devices WHERE owner_id NOT IN (SELECT id FROM users) ON CONFLICT DO NOTHING;
DELETE FROM devices WHERE owner_id NOT IN (SELECT id FROM users);

ALTER TABLE device_status_changes ADD CONSTRAINT device_status_changes_device_id_fkey
    FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE;
ALTER TABLE tasks ADD CONSTRAINT tasks_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE devices ADD CONSTRAINT devices_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE;

DROP TABLE account_purges;
