-- /devices?location=: an owner's devices at one place, whatever its case, oldest first.
CREATE INDEX devices_owner_id_location_idx ON devices (owner_id, lower(location), id);
