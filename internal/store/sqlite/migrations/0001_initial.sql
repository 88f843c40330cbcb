-- Every value is in the binary form of value.go and carries its own checksum.
-- Text compares bytewise (BINARY), which is the order of tvilling.Identity.
CREATE TABLE identity (
	device TEXT NOT NULL,
	module TEXT NOT NULL,
	value  BLOB NOT NULL,
	PRIMARY KEY (device, module)
) WITHOUT ROWID;

-- Twins may be larger than what a page of an index holds, so this table keeps
-- its rows outside the index.
CREATE TABLE twin (
	device TEXT NOT NULL,
	module TEXT NOT NULL,
	value  BLOB NOT NULL,
	PRIMARY KEY (device, module)
);

CREATE TABLE session (
	device TEXT NOT NULL,
	module TEXT NOT NULL,
	value  BLOB NOT NULL,
	PRIMARY KEY (device, module)
) WITHOUT ROWID;

CREATE TABLE setting (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;

-- position: the newest journal record that the other tables hold.
-- counters: the statistics of the registry.
CREATE TABLE meta (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
