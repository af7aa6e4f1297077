-- Counted on, in the same transaction, by whoever takes marks away or deletes rollups that are too old. An answer about
-- hours before rolled_until can only have changed when a mark of theirs is there, or when this is another number than it
-- was: so finished answers may be kept. docs/reading.md tells more.
ALTER TABLE rollup_frontiers ADD COLUMN revision bigint NOT NULL DEFAULT 0;
