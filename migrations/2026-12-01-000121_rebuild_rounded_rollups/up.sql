-- Whether no rollup of which there are raw rows was made of rounded sums. Where it is false, the worker that leads computes
-- them anew.
ALTER TABLE rollup_watermarks ADD COLUMN sums_are_exact boolean NOT NULL DEFAULT false;
UPDATE rollup_watermarks SET sums_are_exact = CASE source
    WHEN 'heartbeats' THEN NOT EXISTS (SELECT FROM heartbeats_hourly)
    ELSE NOT EXISTS (SELECT FROM readings_hourly)
END;
