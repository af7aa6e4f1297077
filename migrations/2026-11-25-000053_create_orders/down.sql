DROP TABLE order_keys, order_status_changes, order_items, orders;
