-- Dead letters on their way to the broker's dead-letter queue. A worker writes what it cannot store here before it acks
-- the message, so that storing never waits for that queue; one worker at a time moves the letters on, oldest first, and
-- deletes what the broker has confirmed. Empty in health.
CREATE TABLE dead_letter_outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The letter's id in the dead-letter queue.
    id uuid NOT NULL,
    -- `refused` or `undecodable`: the routing key.
    reason text NOT NULL,
    -- The reason in full.
    detail text NOT NULL,
    -- The AMQP type of the message.
    message_type text,
    -- As it is to be published; a message that cannot be decoded may hold anything.
    body bytea NOT NULL,
    died_at timestamptz NOT NULL
);
