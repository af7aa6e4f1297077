-- The names of accounts of before: a near equivalent of what the api writes. Where several have what is one name by
-- RFC 8265, the oldest gets it. The others sign in with their names as they are stored, which are looked for first.
WITH mapped AS (
    SELECT id, created_at, username, lower(regexp_replace(normalize(username, NFKC), '\s+', ' ', 'g')) AS mapped
    FROM users
    WHERE username IS NOT NULL
), first AS (
    SELECT DISTINCT ON (mapped) id, mapped
    FROM mapped
    -- A full-width '@' made no address of a name.
    WHERE position('@' IN mapped) = 0 OR position('@' IN username) > 0
    ORDER BY mapped, created_at, id
)
UPDATE users SET username_mapped = first.mapped FROM first WHERE users.id = first.id;

WITH mapped AS (
    SELECT id, created_at, lower(normalize(email, NFKC)) AS mapped FROM users WHERE email IS NOT NULL
), first AS (
    SELECT DISTINCT ON (mapped) id, mapped FROM mapped ORDER BY mapped, created_at, id
)
UPDATE users SET email_mapped = first.mapped FROM first WHERE users.id = first.id;

CREATE UNIQUE INDEX users_username_mapped_key ON users (username_mapped);
CREATE UNIQUE INDEX users_email_mapped_key ON users (email_mapped);
