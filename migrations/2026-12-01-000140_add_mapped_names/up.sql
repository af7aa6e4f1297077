-- Names as RFC 8265 compares them (UsernameCaseMapped): the api writes them from now on. Apart from what fills them, which
-- takes longer and must not keep everybody from the table meanwhile.
ALTER TABLE users ADD COLUMN username_mapped text, ADD COLUMN email_mapped text;
