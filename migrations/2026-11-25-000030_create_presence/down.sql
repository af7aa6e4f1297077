DROP FUNCTION hearing();
DROP VIEW deaf_spans;
DROP TABLE device_status_changes;
DROP TABLE storage_marks;
DROP TABLE ingest_beats;
