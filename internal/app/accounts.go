package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tvilling/tvilling/internal/argon2id"
	"github.com/tvilling/tvilling/internal/console/access"
	"github.com/tvilling/tvilling/internal/durable"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// setupFile holds the code that makes the first admin, until there is one.
func (a *App) setupFile() string { return filepath.Join(a.opt.Data, "setup-code") }

// openAccounts makes the users of the console. A hub that has no admin yet gets
// a new code for set-up at each start, in a file that its owner can read.
func (a *App) openAccounts(ctx context.Context) (err error) {
	code := account.NewSetupCode()
	a.accounts, err = account.New(ctx, account.Options{
		Commit: a.committer, Store: a.store, Hasher: argon2id.New(), Logger: a.log.With("component", "account"),
		SetupCode: code,
		SetupDone: func() {
			if err := os.Remove(a.setupFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				a.log.WarnContext(ctx, "the set-up code, which is good for nothing any more, cannot be removed", "error", err)
			}
		},
	})
	if err != nil || a.accounts.HasAdmin() || a.opt.NoConsole {
		return err
	}
	if err := durable.WriteFile(a.setupFile(), []byte(code+"\n"), 0o600); err != nil {
		return err
	}
	a.log.WarnContext(ctx, "the console has no admin yet; open /console/setup and give the code that is in the file", "file", a.setupFile())
	return nil
}

// access is what the pages of sign-in and users work with.
func (a *App) access() access.Options {
	file, err := filepath.Abs(a.setupFile())
	if err != nil {
		file = a.setupFile()
	}
	return access.Options{Accounts: a.accounts, SetupFile: file, Policies: a.policies, Audit: a.audit, Hub: a.hostName()}
}
