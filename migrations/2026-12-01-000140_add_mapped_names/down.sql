ALTER TABLE users DROP COLUMN username_mapped, DROP COLUMN email_mapped;
