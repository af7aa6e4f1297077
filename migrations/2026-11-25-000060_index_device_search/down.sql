-- The extension stays: other tables search with it.
ALTER TABLE devices DROP COLUMN search_text;
