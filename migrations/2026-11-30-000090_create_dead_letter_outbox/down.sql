DROP TABLE dead_letter_outbox;
