-- A user name with an '@' has to be the account's own e-mail address. So a text typed into a sign-in form names one
-- account at most, and nobody can take another's address as a name.
ALTER TABLE users ADD CONSTRAINT users_username_apart
    CHECK (username IS NULL OR position('@' IN username) = 0 OR lower(username) IS NOT DISTINCT FROM lower(email));
