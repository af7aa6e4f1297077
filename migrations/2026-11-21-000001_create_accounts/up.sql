CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text CHECK (char_length(username) BETWEEN 1 AND 64),
    email text CHECK (char_length(email) BETWEEN 3 AND 254),
    full_name text CHECK (char_length(full_name) <= 200),
    password_hash text NOT NULL,
    is_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT users_named CHECK (username IS NOT NULL OR email IS NOT NULL)
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- One sign-in. Its refresh tokens are a family: using one twice ends them all.
CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);

-- What no longer counts although its token has not expired: a session, a credential, a device or a user.
-- Every API replica keeps the unexpired ones in memory; Redis tells them at once, this table tells them for sure.
CREATE TABLE revocations (
    subject uuid PRIMARY KEY,
    revoked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revocations_revoked_at_idx ON revocations (revoked_at);
