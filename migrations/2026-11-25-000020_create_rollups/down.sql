DROP TABLE readings_minutely, readings_hourly, heartbeats_hourly, rollup_marks, rollup_frontiers;
