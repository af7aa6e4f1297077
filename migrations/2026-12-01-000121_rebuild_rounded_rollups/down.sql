ALTER TABLE rollup_watermarks DROP COLUMN sums_are_exact;
