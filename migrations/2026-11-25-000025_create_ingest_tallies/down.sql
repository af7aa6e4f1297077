DROP TABLE ingest_tallies;
