DROP TABLE device_state, device_credentials, devices;
