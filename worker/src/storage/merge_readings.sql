-- Behind the INSERT: rows that are there already gain the values that they lack. The first value of a metric counts
-- (`OneRow::merge` in shared), and a row to which nothing is new is not written. $9: MAX_ROW_METRICS. Of a name that both
-- objects have, `||` keeps the right one's number.
ON CONFLICT (device_id, ts) DO UPDATE SET
    temperature = coalesce(stored.temperature, excluded.temperature),
    humidity = coalesce(stored.humidity, excluded.humidity),
    voltage = coalesce(stored.voltage, excluded.voltage),
    current = coalesce(stored.current, excluded.current),
    metrics = CASE
        WHEN excluded.metrics IS NULL THEN stored.metrics
        WHEN stored.metrics IS NULL THEN excluded.metrics
        WHEN (SELECT count(*) FROM jsonb_object_keys(excluded.metrics || stored.metrics)) > $9::bigint THEN stored.metrics
        ELSE excluded.metrics || stored.metrics
    END
WHERE (stored.temperature IS NULL AND excluded.temperature IS NOT NULL)
    OR (stored.humidity IS NULL AND excluded.humidity IS NOT NULL)
    OR (stored.voltage IS NULL AND excluded.voltage IS NOT NULL)
    OR (stored.current IS NULL AND excluded.current IS NOT NULL)
    OR (stored.metrics IS NULL AND excluded.metrics IS NOT NULL)
    OR (
        NOT stored.metrics ?& ARRAY(SELECT jsonb_object_keys(excluded.metrics))
        AND (SELECT count(*) FROM jsonb_object_keys(excluded.metrics || stored.metrics)) <= $9::bigint
    )
