package eventdb

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
)

// The operations that errors name.
const (
	opOpen   = "open event store"
	opAppend = "append events"
	opFlush  = "write events"
	opRead   = "read events"
	opRetain = "remove old events"
)

// givenUp is the error of a call whose context is done.
func givenUp(ctx context.Context, op string) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: op,
		Message: "The call was given up before it was answered.", Err: context.Cause(ctx),
	}
}

func errClosed(op string) error {
	return &tvilling.Error{Code: tvilling.Unavailable, Op: op, Message: "The event store is closed; the hub is stopping."}
}

// damagedBlock is the error of a block that cannot be read.
func damagedBlock(p *partition, first uint64, cause error) error {
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: opRead, Subject: fmt.Sprintf("%s block %d", p.path, first),
		Message: fmt.Sprintf("Block %d of the file %s is damaged; its events cannot be shown. All others can.", first, p.path), Err: cause,
	}
}

// damagedList is the error of a row of a device's list that cannot be read.
func damagedList(p *partition, device tvilling.DeviceID, first uint64) error {
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: opRead, Subject: fmt.Sprintf("%s device %s list %d", p.path, device, first),
		Message: fmt.Sprintf("A part of the list of events of device %s in the file %s is damaged, from message %d on; a query without the device still finds them.",
			device, p.path, first),
	}
}

// fullBelow is less space than SQLite needs for a transaction.
const fullBelow = 1 << 20

// dbError turns an error of SQLite into one of ours.
func dbError(op, path string, err error) error {
	e := &tvilling.Error{Code: tvilling.Internal, Op: op, Subject: path, Err: err}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB, sqlite.ResultError:
		// Every statement fits the schema: one that SQLite finds wrong has met
		// a file without it.
		e.Code = tvilling.Corrupt
		e.Message = fmt.Sprintf("The file %s is damaged; what can be read of it and all other days are served.", path)
	case sqlite.ResultFull:
		e.Code = tvilling.Unavailable
		e.Message = "There is no space left for events; free some, or let fewer be kept."
	case sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultReadOnly:
		// SQLite calls it an I/O error when its files beside the database find
		// no space.
		if free, ok := freeBytes(path); ok && free < fullBelow {
			e.Code = tvilling.Unavailable
			e.Message = fmt.Sprintf("There is hardly any space left for events (%d bytes); free some, or let fewer be kept.", free)
			break
		}
		e.Message = fmt.Sprintf("The file %s cannot be used; see the cause.", path)
	case sqlite.ResultBusy:
		e.Code = tvilling.Unavailable
		e.Message = fmt.Sprintf("Another program keeps the file %s locked; close it.", path)
	case sqlite.ResultInterrupt:
		e.Code = tvilling.Unavailable
		e.Message = "The call was given up before it was answered."
	default:
		e.Message = "The database of events failed; see the cause."
	}
	return e
}
