package configuration

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// Store reads what is stored; a [state.Store] does.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error)
	Session(ctx context.Context, id tvilling.Identity) (*state.Session, error)
	Setting(ctx context.Context, name string) ([]byte, error)
}

// Sessions knows who is connected; a session.Manager does.
type Sessions interface {
	Live(id tvilling.Identity) (connected bool, since, activity time.Time)
}

// Journal reads the changes of the hub; a journal.Journal does.
type Journal interface {
	Head() uint64
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error]
}

// Search runs queries over the twins of the hub as they are now.
type Search interface {
	// Each yields the identities that q finds after one, ascending.
	Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error]
	// Count returns how many twins q finds.
	Count(ctx context.Context, q *query.Query) (int64, error)
	// Run returns a page of the result of q.
	Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)
}

// Options are what a [Service] needs.
type Options struct {
	Committer *commit.Committer
	Store     Store
	Sessions  Sessions
	Twins     *twin.Service
	Journal   Journal
	Search    Search
	// Whole names members of the desired properties of which a device is always
	// told the whole object, since its reader takes what it gets for all there is.
	Whole  []string
	Logger *slog.Logger
}

// Service keeps the configurations of a hub and applies them.
type Service struct {
	opt   Options
	table atomic.Pointer[table] // set in the order of commits
	// cursor is the newest change of the journal whose consequences are durable.
	cursor  uint64
	damper  *damper
	figures *figures
	counts  counts
	// wake tells the steward that there may be something to do.
	wake chan struct{}

	// mu guards lives, what is known of passes only while the hub runs.
	mu    sync.Mutex
	lives map[string]*live
}

// Run applies configurations until ctx ends, which is the end of the service.
func (s *Service) Run(ctx context.Context) {
	defer s.figures.close()
	var wg sync.WaitGroup
	wg.Go(func() { s.follow(ctx) })
	wg.Go(func() { s.steward(ctx) })
	wg.Wait()
}

// Get returns a configuration; ConfigurationNotFound if there is none.
func (s *Service) Get(_ context.Context, id string) (Configuration, error) {
	c := s.table.Load().byID[id]
	if c == nil {
		return Configuration{}, notFound("read configuration", id)
	}
	return c.shown(), nil
}

// List returns all configurations, ascending by id.
func (s *Service) List(context.Context) ([]Configuration, error) {
	t := s.table.Load()
	list := make([]Configuration, 0, len(t.byID))
	for _, c := range t.byID {
		list = append(list, c.shown())
	}
	slices.SortFunc(list, func(a, b Configuration) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// shown is the configuration as callers see it.
func (c *compiled) shown() Configuration {
	out := c.Configuration
	out.Paused = c.stage.Paused
	return out
}

func notFound(op, id string) error {
	e := tvilling.Errorf(tvilling.ConfigurationNotFound, "There is no configuration %s.", id)
	e.Op, e.Subject = op, id
	return e
}

// rouse has the steward look for what there is to do.
func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default: // it is told already
	}
}

// edit changes the stage of a configuration, or of what is left of one, in a
// transaction. With a word for what happened the journal has it.
func (s *Service) edit(ctx context.Context, id, what, actor string, f func(now time.Time, at *stage) error) error {
	return s.opt.Committer.Do(ctx, func(tx *commit.Tx) error {
		list, err := indexOf(tx)
		if err != nil {
			return err
		}
		if !slices.Contains(list.IDs, id) && !slices.Contains(list.Removed, id) {
			return notFound("change configuration", id)
		}
		var at stage
		value, err := tx.Setting(stageSetting(id))
		if err != nil {
			return err
		}
		if err := decode(stageSetting(id), value, &at); err != nil {
			return err
		}
		if err := f(tx.Time(), &at); err != nil {
			return err
		}
		if err := put(tx, stageSetting(id), &at); err != nil {
			return err
		}
		if what != "" {
			record(tx, id, what, actor)
		}
		tx.Effect(func() {
			t := s.table.Load()
			if c := t.byID[id]; c != nil {
				s.table.Store(t.with(id, c.at(at), nil))
			} else {
				s.table.Store(t.with(id, nil, &at))
			}
			s.rouse()
		})
		return nil
	})
}

// indexOf returns the list of configurations as a transaction sees it.
func indexOf(tx *commit.Tx) (list index, err error) {
	value, err := tx.Setting(indexSetting)
	if err == nil {
		err = decode(indexSetting, value, &list)
	}
	list.Format = format
	return list, err
}

func put(tx *commit.Tx, name string, v any) error {
	value, err := encode(v)
	if err == nil {
		tx.PutSetting(name, value)
	}
	return err
}

// record notes in the journal what happened to a configuration.
func record(tx *commit.Tx, id, what, actor string) {
	body, err := json.Marshal(map[string]string{"configuration": id, "change": what})
	if err != nil {
		panic(err) // a map of strings always can be
	}
	tx.Record(state.Change{Op: state.ChangeSetting, Actor: actor, Body: body})
}
