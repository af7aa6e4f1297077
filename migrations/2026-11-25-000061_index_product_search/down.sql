ALTER TABLE products DROP COLUMN search_text;
