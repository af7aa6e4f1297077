DROP TABLE revocations, refresh_tokens, sessions, users;
