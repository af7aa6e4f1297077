DROP TABLE device_purges;
