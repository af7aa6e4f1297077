-- Accounts that are deleted, but whose devices and tasks are not yet: there may be hundreds of thousands of them, and a
-- worker deletes some hundred at a time. Nobody sees them meanwhile, because their owner is gone.
CREATE TABLE account_purges (
    owner_id uuid PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    -- Until then an access token of one of its devices may count.
    tokens_until timestamptz NOT NULL
);

-- Whoever adds a device or a task locks its owner (FOR KEY SHARE, or more), which a foreign key did as well. With these
-- keys, deleting one row would delete all that it owns in one statement.
ALTER TABLE devices DROP CONSTRAINT devices_owner_id_fkey;
ALTER TABLE tasks DROP CONSTRAINT tasks_owner_id_fkey;
ALTER TABLE device_status_changes DROP CONSTRAINT device_status_changes_device_id_fkey;
