-- One a user, from the first thing put into it. Locked by whoever changes or orders what is in it.
CREATE TABLE carts (
    user_id uuid PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    updated_at timestamptz NOT NULL
);

CREATE TABLE cart_items (
    user_id uuid NOT NULL REFERENCES carts (user_id) ON DELETE CASCADE,
    product_id uuid NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 10000),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, product_id)
);
