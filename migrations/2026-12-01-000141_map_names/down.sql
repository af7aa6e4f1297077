DROP INDEX users_username_mapped_key, users_email_mapped_key;
UPDATE users SET username_mapped = NULL, email_mapped = NULL;
