package securitydb

import (
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// openMover opens the connection that moves the write-ahead log.
func openMover(path string) (*sqlite.Conn, error) {
	const op = "open security store"
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, dbError(op, path, err)
	}
	conn.SetBusyTimeout(busyTimeout)
	for _, p := range []string{"synchronous = FULL", "cache_size = -64"} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			return nil, errors.Join(dbError(op, path, err), conn.Close())
		}
	}
	return conn, nil
}

// grown notes that a commit put about so many pages into the log. s.writing is
// held.
func (s *Store) grown(pages int) {
	s.pages += pages
	if s.pages < s.opt.CheckpointPages {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// checkpoints is the goroutine that keeps the log short.
func (s *Store) checkpoints() {
	failing := false
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
		}
		err := s.checkpoint()
		if err != nil {
			s.figures.checkpointFailures.Add(1)
			if !failing {
				s.opt.Logger.Error("the log of the security store cannot be moved into its database; commits go on, the log grows", "error", err)
			}
		} else if failing {
			s.opt.Logger.Info("the log of the security store is moved into its database again")
		}
		failing = err != nil
	}
}

// checkpoint moves the log into the database file: first what there is, beside
// the commits, then, with none under way, what has come meanwhile. The next
// commit then begins the log anew, unless somebody reads an older state.
func (s *Store) checkpoint() error {
	if err := moveLog(s.mover); err != nil {
		return dbError("move the log", s.path, err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	start := time.Now()
	err := moveLog(s.mover)
	s.figures.waitNS.Add(int64(time.Since(start)))
	if err != nil {
		return dbError("move the log", s.path, err)
	}
	s.pages = 0
	s.figures.checkpoints.Add(1)
	return nil
}

func moveLog(conn *sqlite.Conn) error {
	if err := exec(conn, "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}
