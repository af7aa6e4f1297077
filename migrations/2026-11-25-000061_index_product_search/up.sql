-- /products?q=: as for devices.
ALTER TABLE products ADD COLUMN search_text text NOT NULL
    GENERATED ALWAYS AS (lower(title || E'\n' || coalesce(description, '') || E'\n' || coalesce(sku, ''))) STORED;
CREATE INDEX products_search_text_idx ON products USING gin (search_text gin_trgm_ops)
    WITH (gin_pending_list_limit = 256);
