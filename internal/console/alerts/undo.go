package alerts

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/alert"
)

const (
	// undoTime is how long an act can be undone, as pages say; grace is for the
	// way from the hub to the reader and back.
	undoTime, grace = 10 * time.Second, 5 * time.Second
	// maxActs bounds the sessions whose last act is remembered.
	maxActs = 1000
	// maxFailures bounds the refusals that a note lists.
	maxFailures = 20
)

// board remembers the last act of each session for as long as it can be
// undone. It is gone with the hub: an alert's history is what stays.
type board struct {
	mu   sync.Mutex
	acts map[string]*note
}

// note says what was done last, and how it is undone.
type note struct {
	at    time.Time
	Token string
	Text  string
	// Undo says what undoing does; "" if there is nothing to undo.
	Undo     string
	Failures []failure
	// More counts refusals that are not listed.
	More  int
	moves []alert.Move
}

// failure is why one of many alerts was not changed.
type failure struct{ ID, Href, Text string }

// did remembers an act. what names the alert if it was one.
func (b *board) did(session, done, what string, outcomes []alert.Outcome) {
	n := &note{at: time.Now(), Token: rand.Text(), moves: alert.Moves(outcomes)}
	failed := 0
	for _, o := range outcomes {
		if o.Err == nil {
			continue
		}
		if failed++; len(n.Failures) < maxFailures {
			n.Failures = append(n.Failures, failure{o.ID, ui.URL("alerts", o.ID), tvilling.MessageOf(o.Err)})
		}
	}
	n.More = failed - len(n.Failures)
	same := len(outcomes) - failed - len(n.moves)
	switch {
	case what != "" && len(n.moves) == 0:
		n.Text = "Nothing changed: " + what + " was so already."
	case what != "":
		n.Text = done + ": " + what + "."
	default:
		parts := []string{fmt.Sprintf("%s: %s", done, ui.Plural(int64(len(n.moves)), "alert"))}
		if same > 0 {
			parts = append(parts, ui.Count(int64(same))+" already so")
		}
		if failed > 0 {
			parts = append(parts, ui.Count(int64(failed))+" refused")
		}
		n.Text = strings.Join(parts, "; ") + "."
	}
	n.Undo = undoing(n.moves)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sweep(n.at)
	b.acts[session] = n
}

// undoing says what an undo does.
func undoing(moves []alert.Move) string {
	if len(moves) == 0 {
		return ""
	}
	var states []string
	for _, m := range moves {
		if s := strings.ToLower(statusWord(m.Was.Status)); !slices.Contains(states, s) {
			states = append(states, s)
		}
	}
	it := "it"
	if len(moves) > 1 {
		it = "them"
	}
	text := "makes " + it + " " + strings.Join(states, " or ") + " again"
	if m := moves[0]; m.Was.Status == m.Now.Status {
		text = "puts owner and note back as they were"
	}
	return text + "; the history keeps both steps"
}

// sweep forgets what cannot be undone any more, and the oldest if there are too
// many.
func (b *board) sweep(now time.Time) {
	if b.acts == nil {
		b.acts = make(map[string]*note)
	}
	oldest := ""
	for s, n := range b.acts {
		if now.Sub(n.at) > undoTime+grace {
			delete(b.acts, s)
		} else if oldest == "" || n.at.Before(b.acts[oldest].at) {
			oldest = s
		}
	}
	if len(b.acts) >= maxActs {
		delete(b.acts, oldest)
	}
}

// last returns what a session did last, nil if that is too long ago.
func (b *board) last(session string) *note {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.acts[session]
	if n == nil || time.Since(n.at) > undoTime {
		return nil
	}
	return n
}

// take returns what is to be undone, once.
func (b *board) take(session, token string) (*note, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.acts[session]
	switch {
	case n == nil || time.Since(n.at) > undoTime+grace:
		return nil, tvilling.Errorf(tvilling.PreconditionFailed, "More than %d seconds have passed, so nothing was undone. Reopen the alert instead.", int(undoTime.Seconds()))
	case n.Token != token:
		return nil, tvilling.Errorf(tvilling.PreconditionFailed, "You did something else meanwhile, so nothing was undone. Reopen the alert instead.")
	}
	delete(b.acts, session)
	return n, nil
}

// undo is POST alerts/undo.
func (p *area) undo(c *web.Call) error {
	q, err := parse(c.Queries())
	if err != nil {
		return err
	}
	n, err := p.acts.take(c.Who.ID, c.Form("token"))
	if err != nil {
		return err
	}
	if len(n.moves) == 0 {
		return tvilling.Errorf(tvilling.PreconditionFailed, "There is nothing to undo.")
	}
	out, err := p.opt.Alerts.Undo(c.Context(), n.moves, c.Actor())
	if err != nil {
		return err
	}
	undone, first := 0, ""
	var problem error
	for _, o := range out {
		switch {
		case o.Err != nil:
			problem = o.Err
		case undone == 0:
			first = o.ID
			fallthrough
		default:
			undone++
		}
	}
	if undone == 0 {
		return problem
	}
	text := "Undone: " + ui.Plural(int64(undone), "alert") + " put back."
	if failed := len(out) - undone; failed > 0 {
		text += " " + ui.Plural(int64(failed), "alert") + " stayed as somebody else left them meanwhile."
	}
	to := ui.URL("alerts", keep(c, q))
	if len(out) == 1 {
		to = ui.URL("alerts", first, keep(c, q))
	}
	return c.Redirect(to, text)
}
