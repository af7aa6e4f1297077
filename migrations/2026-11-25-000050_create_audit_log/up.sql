-- What administrators and buyers did: who, what, to what, and how it was before and after. Written in the transaction
-- that does it, never changed. No foreign keys: it outlives what it tells of, the actor's account included.
CREATE TABLE audit_log (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL,
    actor_id uuid NOT NULL,
    action text NOT NULL CHECK (char_length(action) BETWEEN 1 AND 100),
    subject_id uuid NOT NULL,
    before jsonb,
    after jsonb
);
CREATE INDEX audit_log_subject_id_id_idx ON audit_log (subject_id, id);
CREATE INDEX audit_log_actor_id_id_idx ON audit_log (actor_id, id);
