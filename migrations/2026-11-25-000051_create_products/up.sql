CREATE TABLE products (
    id uuid PRIMARY KEY,
    title text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 150),
    description text CHECK (char_length(description) <= 5000),
    category text CHECK (char_length(category) BETWEEN 1 AND 100),
    -- Money is whole minor units (cents) of a currency; the bounds keep every total of a cart inside a bigint.
    price_minor bigint NOT NULL CHECK (price_minor BETWEEN 0 AND 10000000000),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- What decides in the end that nothing is sold twice.
    stock integer NOT NULL CONSTRAINT products_stock_left CHECK (stock >= 0),
    -- Each one shipped is registered as a device of the buyer's.
    is_device boolean NOT NULL,
    image_url text CHECK (char_length(image_url) <= 2000),
    sku text CHECK (char_length(sku) BETWEEN 1 AND 64),
    -- Where an imported one comes from, and what it looked like there when it was last taken over.
    source text,
    external_id text,
    import_digest bytea,
    -- Kept for the orders it is in; gone for everybody else.
    retired_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT products_imported CHECK (num_nulls(source, external_id, import_digest) IN (0, 3)),
    CONSTRAINT products_source_external_id_key UNIQUE (source, external_id)
);
CREATE UNIQUE INDEX products_sku_key ON products (sku) WHERE retired_at IS NULL;
-- The list in each of its orders, page by page; `newest` is the primary key's.
CREATE INDEX products_price_minor_id_idx ON products (price_minor, id) WHERE retired_at IS NULL;
CREATE INDEX products_title_id_idx ON products (lower(title), id) WHERE retired_at IS NULL;
CREATE INDEX products_category_id_idx ON products (category, id) WHERE retired_at IS NULL;
