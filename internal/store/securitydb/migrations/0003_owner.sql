-- Pages of an owner's alerts that are filtered by more come from the index
-- alone.
DROP INDEX alert_owner;
CREATE INDEX alert_owner ON alert (owner, newest, id, last, severity, status, device, type) WHERE owner <> '';
