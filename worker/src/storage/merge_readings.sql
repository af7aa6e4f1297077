-- Behind the INSERT: rows that are there already gain the values that they lack. The first value of a metric counts
-- (`OneRow::merge` in shared), and a row to which nothing is new is not written. $9: MAX_ROW_METRICS.
ON CONFLICT (device_id, ts) DO UPDATE SET
    temperature = coalesce(stored.temperature, excluded.temperature),
    humidity = coalesce(stored.humidity, excluded.humidity),
    voltage = coalesce(stored.voltage, excluded.voltage),
    current = coalesce(stored.current, excluded.current),
    metrics = CASE
        WHEN stored.metrics IS NULL THEN excluded.metrics
        ELSE stored.metrics || (
            SELECT coalesce(jsonb_object_agg(new.name, new.number), '{}') FROM (
                SELECT name, number FROM jsonb_each(excluded.metrics) AS sent (name, number)
                WHERE NOT stored.metrics ? name ORDER BY name
                LIMIT greatest(0, $9::bigint - (SELECT count(*) FROM jsonb_object_keys(stored.metrics)))
            ) AS new
        )
    END
WHERE (stored.temperature IS NULL AND excluded.temperature IS NOT NULL)
    OR (stored.humidity IS NULL AND excluded.humidity IS NOT NULL)
    OR (stored.voltage IS NULL AND excluded.voltage IS NOT NULL)
    OR (stored.current IS NULL AND excluded.current IS NOT NULL)
    OR (stored.metrics IS NULL AND excluded.metrics IS NOT NULL)
    OR (
        NOT stored.metrics ?& ARRAY(SELECT jsonb_object_keys(excluded.metrics))
        AND (SELECT count(*) FROM jsonb_object_keys(stored.metrics)) < $9::bigint
    )
