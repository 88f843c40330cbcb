-- Counts of alerts by the hour in which they were raised come from the index
-- alone.
DROP INDEX alert_newest;
CREATE INDEX alert_newest ON alert (newest, id, last, severity, status, device, type, owner);
