ALTER TABLE rollup_frontiers DROP COLUMN revision;
