package securitydb

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
)

// fullBelow is less space than SQLite needs to go on.
const fullBelow = 1 << 20

// dbError turns an error of SQLite into one of ours.
func dbError(op, path string, err error) error {
	e := &tvilling.Error{Code: tvilling.Internal, Op: op, Subject: path, Err: err}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		e.Code = tvilling.Corrupt
		e.Message = "The file of the security store is damaged. Stop the hub and restore a backup of security.db."
	case sqlite.ResultFull:
		e.Code = tvilling.Unavailable
		e.Message = "There is no space left for the security store; free some."
	case sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultReadOnly:
		// SQLite calls it an I/O error when its files beside the database find
		// no space.
		if free, ok := freeBytes(path); ok && free < fullBelow {
			e.Code = tvilling.Unavailable
			e.Message = fmt.Sprintf("There is hardly any space left for the security store (%d bytes); free some.", free)
			break
		}
		e.Message = "The file of the security store cannot be used; see the cause."
	case sqlite.ResultBusy:
		e.Code = tvilling.Unavailable
		e.Message = "Another program keeps the security store locked; close it."
	case sqlite.ResultInterrupt:
		e.Code = tvilling.Unavailable
		e.Message = "The call was given up before it was answered."
	default:
		e.Message = "The security store failed; see the cause."
	}
	return e
}

func errClosed(op string) error {
	return &tvilling.Error{Code: tvilling.Unavailable, Op: op, Message: "The security store is closed; the hub is stopping."}
}

// givenUp is the error of a call whose context has ended.
func givenUp(ctx context.Context, op string) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: op,
		Message: "The call was given up before it was answered.", Err: context.Cause(ctx),
	}
}

// misuse is the refusal of a batch that no ledger would make.
func misuse(format string, args ...any) error {
	e := tvilling.Errorf(tvilling.Internal, format, args...)
	e.Op = "commit security records"
	return e
}
