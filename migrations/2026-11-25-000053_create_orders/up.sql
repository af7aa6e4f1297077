CREATE TABLE orders (
    id uuid PRIMARY KEY,
    -- Null: the buyer's account has been deleted. What was sold stays on the books, without a name.
    buyer_id uuid REFERENCES users (id) ON DELETE SET NULL,
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'cancelled')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX orders_buyer_id_id_idx ON orders (buyer_id, id);

-- As it was sold: a later change of the product changes nothing here.
CREATE TABLE order_items (
    order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products (id),
    title text NOT NULL,
    sku text,
    is_device boolean NOT NULL,
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    quantity integer NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX order_items_product_id_idx ON order_items (product_id);

-- An order is in each status once at most; by this key nothing is shipped twice, and no stock given back twice.
CREATE TABLE order_status_changes (
    order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    status text NOT NULL CHECK (status IN ('pending', 'paid', 'shipped', 'delivered', 'cancelled')),
    changed_by text NOT NULL CHECK (changed_by IN ('buyer', 'administrator')),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, status)
);

-- Requests that may be sent again: by its key, the same request gets the same answer, and orders nothing twice.
CREATE TABLE order_keys (
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of the body it came with.
    body_digest bytea NOT NULL CHECK (octet_length(body_digest) = 32),
    order_id uuid NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    answer text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
