-- $1 subjects, $2 from when they no longer count, $3 until when that has to be known. In one order, so that two
-- transactions that revoke the same subjects wait for each other instead of deadlocking.
INSERT INTO revocations (subject, revoked_at, expires_at)
SELECT DISTINCT subject, $2::timestamptz, $3::timestamptz FROM unnest($1::uuid[]) AS subject ORDER BY subject
ON CONFLICT (subject) DO UPDATE SET revoked_at = excluded.revoked_at, expires_at = excluded.expires_at
WHERE revocations.revoked_at > excluded.revoked_at
