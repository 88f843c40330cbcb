-- The records of the security ledger. Times are nanoseconds since 1970.

CREATE TABLE alert (
  n        INTEGER PRIMARY KEY,
  id       TEXT    NOT NULL UNIQUE,
  device   TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  cause    TEXT    NOT NULL,
  severity INTEGER NOT NULL,
  status   INTEGER NOT NULL,
  owner    TEXT    NOT NULL,
  newest   INTEGER NOT NULL, -- when it was created, negated: ascending is newest first
  last     INTEGER NOT NULL,
  updated  INTEGER NOT NULL,
  value    BLOB    NOT NULL
);

-- One index for each way to page through alerts, in the order of their pages.
CREATE INDEX alert_key    ON alert (device, type, cause, newest, id);
CREATE INDEX alert_device ON alert (device, newest, id);
CREATE INDEX alert_newest ON alert (newest, id, last);
CREATE INDEX alert_status ON alert (status, severity, newest, id, type, device);
CREATE INDEX alert_type   ON alert (type, status, severity, newest, id, device);
CREATE INDEX alert_owner  ON alert (owner, newest, id) WHERE owner <> '';
-- Serves time spans, and every summary from the index alone.
CREATE INDEX alert_last   ON alert (last, newest, id, device, type, severity, status, owner);
-- What may be dropped by age: resolved (3) and dismissed (4).
CREATE INDEX alert_over   ON alert (updated) WHERE status >= 3;

CREATE TABLE step (
  alert    TEXT    NOT NULL,
  sequence INTEGER NOT NULL,
  value    BLOB    NOT NULL,
  PRIMARY KEY (alert, sequence)
) WITHOUT ROWID;

CREATE TABLE recommendation (
  device   TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  severity INTEGER NOT NULL,
  state    INTEGER NOT NULL,
  value    BLOB    NOT NULL,
  PRIMARY KEY (device, type)
) WITHOUT ROWID;
CREATE INDEX recommendation_state ON recommendation (state, severity, device, type);
CREATE INDEX recommendation_type  ON recommendation (type, state, severity, device);

CREATE TABLE device (
  id      TEXT    NOT NULL PRIMARY KEY,
  due     INTEGER,          -- NULL: never
  posture INTEGER NOT NULL, -- 1: the posture in the twin may be out of date
  state   TEXT    NOT NULL, -- of the posture in the twin
  value   BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_due     ON device (due) WHERE due IS NOT NULL;
CREATE INDEX device_posture ON device (id) WHERE posture = 1;
CREATE INDEX device_state   ON device (state);

CREATE TABLE feed (
  sequence INTEGER PRIMARY KEY,
  value    BLOB NOT NULL
);

-- Cursors of readers, small settings, and how far the feed was dropped.
CREATE TABLE meta (
  kind  INTEGER NOT NULL,
  name  TEXT    NOT NULL,
  value BLOB    NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;

CREATE TABLE credential (
  fingerprint BLOB NOT NULL,
  device      TEXT NOT NULL,
  module      TEXT NOT NULL,
  value       BLOB NOT NULL, -- the checksum of the key
  PRIMARY KEY (fingerprint, device, module)
) WITHOUT ROWID;
CREATE INDEX credential_identity ON credential (device, module);
