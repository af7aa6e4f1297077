-- Adds to the stock of each product, or takes from it; products_stock_left refuses what is not there. Each version has
-- its own instant, also on a clock that was set back.
UPDATE products SET
    stock = products.stock + moved.pieces,
    updated_at = greatest($3, products.updated_at + interval '1 microsecond')
FROM unnest($1, $2) AS moved (product_id, pieces)
WHERE products.id = moved.product_id
