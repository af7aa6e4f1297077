-- Of what is still to be had, what was ordered most. What was cancelled does not count.
SELECT p.id, p.title, p.description, p.category, p.price_minor, p.currency, p.stock, p.is_device, p.image_url, p.sku,
    p.created_at, p.updated_at, sold.units AS units_ordered
FROM (
    SELECT i.product_id, sum(i.quantity) AS units
    FROM order_items i JOIN orders o ON o.id = i.order_id
    WHERE o.status <> 'cancelled'
    GROUP BY i.product_id
) sold
JOIN products p ON p.id = sold.product_id
WHERE p.retired_at IS NULL
ORDER BY sold.units DESC, p.id
LIMIT $1
