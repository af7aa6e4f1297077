-- The extension stays: others may use it by now.
DROP TABLE tasks;
