-- How long a device was online and offline between two instants; the time in which Pulso could not hear counts as
-- neither, whatever was last known then.
WITH states AS (
    SELECT
        $2::timestamptz AS at,
        coalesce((
            SELECT before.status FROM device_status_changes AS before
            WHERE before.device_id = $1 AND before.at <= $2 ORDER BY before.at DESC LIMIT 1
        ), 'offline') AS status
    WHERE $2 < $3::timestamptz
    UNION ALL
    SELECT at, status FROM device_status_changes WHERE device_id = $1 AND at > $2 AND at < $3
),
spans AS (
    SELECT status, at AS span_from, lead(at, 1, $3) OVER (ORDER BY at) AS span_until FROM states
),
outages AS MATERIALIZED (
    SELECT outage_from, outage_until FROM outage_windows WHERE outage_from < $3 AND outage_until > $2
),
parts AS (
    SELECT
        status,
        extract(EPOCH FROM span_until - span_from) AS whole_s,
        coalesce((
            SELECT sum(extract(EPOCH FROM least(outage_until, span_until) - greatest(outage_from, span_from)))
            FROM outages WHERE outage_from < span_until AND outage_until > span_from
        ), 0) AS outage_s
    FROM spans
)
SELECT
    coalesce(sum(whole_s - outage_s) FILTER (WHERE status = 'online'), 0)::float8 AS online_s,
    coalesce(sum(whole_s - outage_s) FILTER (WHERE status = 'offline'), 0)::float8 AS offline_s,
    coalesce(sum(outage_s), 0)::float8 AS unknown_s
FROM parts
