-- One row: what the file holds, and up to which message all is dealt with.
-- Times are Unix nanoseconds. salt keys the hashes of ids in this file.
CREATE TABLE summary (
	id             INTEGER PRIMARY KEY CHECK (id = 1),
	salt           BLOB NOT NULL,
	first          INTEGER NOT NULL, -- sequences of the messages it was made for
	position       INTEGER NOT NULL,
	first_received INTEGER NOT NULL,
	last_received  INTEGER NOT NULL,
	oldest         INTEGER NOT NULL, -- times of events
	newest         INTEGER NOT NULL,
	blocks         INTEGER NOT NULL,
	events         INTEGER NOT NULL,
	letters        INTEGER NOT NULL, -- dead letters kept, their bytes, and those not kept
	letter_bytes   INTEGER NOT NULL,
	shed           INTEGER NOT NULL,
	checksum       INTEGER NOT NULL  -- of all of the above
);

-- A block goes by the sequence of its first message. mask has a bit for each
-- type and kind of event in it.
CREATE TABLE block (
	first  INTEGER PRIMARY KEY,
	last   INTEGER NOT NULL,
	oldest INTEGER NOT NULL,
	newest INTEGER NOT NULL,
	mask   INTEGER NOT NULL
);

-- Apart from the above so that blocks can be looked over without reading them.
CREATE TABLE body (
	first INTEGER PRIMARY KEY,
	data  BLOB NOT NULL
);

-- The messages of a device, several to a row; first is the sequence of the
-- first in the row.
CREATE TABLE posting (
	device TEXT NOT NULL,
	first  INTEGER NOT NULL,
	list   BLOB NOT NULL,
	PRIMARY KEY (device, first)
) WITHOUT ROWID;

CREATE TABLE letter (
	sequence INTEGER NOT NULL,
	place    INTEGER NOT NULL,
	device   TEXT NOT NULL,
	module   TEXT NOT NULL,
	received INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	path     TEXT NOT NULL,
	reason   TEXT NOT NULL,
	raw      BLOB NOT NULL,
	PRIMARY KEY (sequence, place)
);
CREATE INDEX letter_device ON letter (device, sequence, place);

-- How many dead letters of a device the file keeps, and how many it does not.
CREATE TABLE letter_count (
	device TEXT NOT NULL PRIMARY KEY,
	kept   INTEGER NOT NULL,
	shed   INTEGER NOT NULL
) WITHOUT ROWID;
