DROP TABLE readings, heartbeats;
