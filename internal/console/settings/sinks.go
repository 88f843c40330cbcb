package settings

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/deliver"
)

// testTime is how long a page waits for the test of a sink.
const testTime = 25 * time.Second

type sinks struct {
	Nav  web.SettingsNav
	Rows []sinkRow
	May  bool
	Head uint64
}

type sinkRow struct {
	deliver.Status

	Target string
}

func (a *area) sinks(c *web.Call) error {
	v := view("Sinks", "sinks", a.sinksOf(c))
	v.Live = ui.URL("live", "settings", "sinks")
	return c.Page(v)
}

func (a *area) sinksLive(c *web.Call) error {
	return a.stream(c, "sinks", "sinkrows", func(context.Context) (any, error) { return a.sinksOf(c), nil })
}

func (a *area) sinksOf(c *web.Call) *sinks {
	p := &sinks{Nav: c.SettingsNav("sinks"), May: c.May(account.Admin)}
	for _, s := range a.Sinks {
		st := s.Status()
		p.Head = max(p.Head, st.Head)
		p.Rows = append(p.Rows, sinkRow{st, a.Reached[st.Name]})
	}
	return p
}

func (a *area) sink(c *web.Call) (Sink, error) {
	name := c.Path("name")
	c.Subject(name)
	for _, s := range a.Sinks {
		if s.Status().Name == name {
			return s, nil
		}
	}
	return nil, tvilling.Errorf(tvilling.NotFound, "There is no sink %q; sinks are named in the configuration file.", name)
}

// testSink sends a test by the way of all entries, and says what came of it.
func (a *area) testSink(c *web.Call) error {
	s, err := a.sink(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), testTime)
	defer cancel()
	o, err := s.Test(ctx, c.Actor())
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%s took the test, in %d ms.", s.Status().Name, o.Took.Milliseconds())
	if !o.Taken {
		note = fmt.Sprintf("%s did not take the test: %s", s.Status().Name, o.Error)
	}
	return c.Redirect(ui.URL("settings", "sinks"), note)
}

// replaySink has a sink told again.
func (a *area) replaySink(c *web.Call) error {
	s, err := a.sink(c)
	if err != nil {
		return err
	}
	after, err := strconv.ParseUint(c.Form("after"), 10, 64)
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "Say after which sequence of the feed to begin, a whole number; 0 is the oldest that is kept.")
	}
	if err := s.Replay(c.Context(), after); err != nil {
		return err
	}
	return c.Redirect(ui.URL("settings", "sinks"), fmt.Sprintf("%s is told again of everything after %d.", s.Status().Name, after))
}
