-- Ships with PostgreSQL (contrib), and any owner of a database may add it. IF NOT EXISTS: another table may search too.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    -- The title without case and accents, as the API folds it: what is searched, whatever the database's locale.
    title_folded text NOT NULL,
    description text CHECK (char_length(description) <= 5000),
    status text NOT NULL CHECK (status IN ('pending', 'done')),
    -- One of the owner's; a task outlives the device it was about.
    device_id uuid REFERENCES devices (id) ON DELETE SET NULL,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
-- The owner's list, newest last, page by page.
CREATE INDEX tasks_owner_id_id_idx ON tasks (owner_id, id);
-- A piece of a title, anywhere in it.
CREATE INDEX tasks_title_folded_idx ON tasks USING gin (title_folded gin_trgm_ops);
-- Finds what is to be let go when a device is deleted, and a device's tasks.
CREATE INDEX tasks_device_id_idx ON tasks (device_id) WHERE device_id IS NOT NULL;
