-- Ships with PostgreSQL (contrib), and any owner of a database may add it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- /devices?q=: what is searched, in one column. Without case already, so that comparing is all that is left to do for
-- each device where a text is too short for the index. A line each: no text that is looked for can span two of them.
ALTER TABLE devices ADD COLUMN search_text text NOT NULL
    GENERATED ALWAYS AS (lower(name || E'\n' || coalesce(serial_number, ''))) STORED;
-- New entries are put in order 256 kB at a time: one by one, an import of 10,000 devices would take a second longer;
-- at the default of 4 MB, every search would read through as much.
CREATE INDEX devices_search_text_idx ON devices USING gin (search_text gin_trgm_ops) WITH (gin_pending_list_limit = 256);
