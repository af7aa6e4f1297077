-- What the database holds of these devices in the time that the ledger spans, one row a reading.
WITH stored AS (
    SELECT heartbeats.device_id, heartbeats.ts, count(*) AS copies, min(heartbeats.cpu_usage) AS least,
        max(heartbeats.cpu_usage) AS most, count(heartbeats.cpu_usage) AS measured
    FROM span
    JOIN heartbeats ON heartbeats.device_id = span.device_id AND heartbeats.ts BETWEEN span.first AND span.last
    GROUP BY heartbeats.device_id, heartbeats.ts
)
SELECT
    count(*) FILTER (WHERE accepted) AS accepted,
    count(*) FILTER (WHERE accepted AND copies IS NULL) AS missing,
    count(*) FILTER (WHERE copies > 1) AS twice,
    count(*) FILTER (
        WHERE accepted AND copies IS NOT NULL
        AND (measured <> copies OR least <> ledger.cpu_usage OR most <> ledger.cpu_usage)
    ) AS different,
    count(*) FILTER (WHERE ledger.device_id IS NULL) AS unknown,
    count(*) FILTER (WHERE NOT accepted) AS unanswered,
    count(*) FILTER (WHERE NOT accepted AND copies IS NOT NULL) AS unanswered_stored
FROM ledger
FULL JOIN stored ON stored.device_id = ledger.device_id AND stored.ts = ledger.ts
