package sqlite

import (
	"zombiezen.com/go/sqlite"
)

// statements are the SQL of one kind of record.
type statements struct {
	get, put, del string
	// named says that the table has a name instead of device and module.
	named bool
}

const (
	metaCounters = "counters"
	metaPosition = "position"
)

// statementsOf returns the SQL for a kind; the texts are constants, so that a
// connection finds its prepared statement by them.
func statementsOf(k kind) statements {
	switch k {
	case kindIdentity:
		return statements{
			get: "SELECT value FROM identity WHERE device = ?1 AND module = ?2",
			put: "INSERT INTO identity (device, module, value) VALUES (?1, ?2, ?3) ON CONFLICT (device, module) DO UPDATE SET value = excluded.value",
			del: "DELETE FROM identity WHERE device = ?1 AND module = ?2",
		}
	case kindTwin:
		return statements{
			get: "SELECT value FROM twin WHERE device = ?1 AND module = ?2",
			put: "INSERT INTO twin (device, module, value) VALUES (?1, ?2, ?3) ON CONFLICT (device, module) DO UPDATE SET value = excluded.value",
			del: "DELETE FROM twin WHERE device = ?1 AND module = ?2",
		}
	case kindSession:
		return statements{
			get: "SELECT value FROM session WHERE device = ?1 AND module = ?2",
			put: "INSERT INTO session (device, module, value) VALUES (?1, ?2, ?3) ON CONFLICT (device, module) DO UPDATE SET value = excluded.value",
			del: "DELETE FROM session WHERE device = ?1 AND module = ?2",
		}
	case kindSetting:
		return statements{
			named: true,
			get:   "SELECT value FROM setting WHERE name = ?1",
			put:   "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			del:   "DELETE FROM setting WHERE name = ?1",
		}
	default:
		return statements{
			named: true,
			get:   "SELECT value FROM meta WHERE name = ?1",
			put:   "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			del:   "DELETE FROM meta WHERE name = ?1",
		}
	}
}

// bind binds the key and returns the number of the parameter after it.
func (s statements) bind(stmt *sqlite.Stmt, k key) int {
	switch {
	case !s.named:
		stmt.BindText(1, string(k.id.Device))
		stmt.BindText(2, string(k.id.Module))
		return 3
	case k.kind == kindCounters:
		stmt.BindText(1, metaCounters)
	case k.kind == kindPosition:
		stmt.BindText(1, metaPosition)
	default:
		stmt.BindText(1, string(k.id.Device))
	}
	return 2
}

// getRow returns the stored value of a record, nil if there is none.
func getRow(conn *sqlite.Conn, k key) (value []byte, err error) {
	s := statementsOf(k.kind)
	stmt, err := conn.Prepare(s.get)
	if err != nil {
		return nil, err
	}
	s.bind(stmt, k)
	ok, err := stmt.Step()
	if err != nil {
		// The step's error says more than the reset's, which repeats it.
		_ = stmt.Reset()
		return nil, err
	}
	if ok {
		value = column(stmt, 0)
	}
	return value, stmt.Reset()
}

// column copies a blob column; it is never nil.
func column(stmt *sqlite.Stmt, i int) []byte {
	b := make([]byte, stmt.ColumnLen(i))
	return b[:stmt.ColumnBytes(i, b)]
}

// putRow stores the value of a record, or deletes it if value is nil.
func putRow(conn *sqlite.Conn, k key, value []byte) error {
	s := statementsOf(k.kind)
	text := s.put
	if value == nil {
		text = s.del
	}
	stmt, err := conn.Prepare(text)
	if err != nil {
		return err
	}
	if next := s.bind(stmt, k); value != nil {
		stmt.BindBytes(next, value)
	}
	if _, err := stmt.Step(); err != nil {
		_ = stmt.Reset()
		return err
	}
	return stmt.Reset()
}
