package configurations

import (
	"fmt"
	"net/http"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// act is something that an operator can do with a configuration.
type act struct {
	// Name is the word in the address.
	Name string
	// Verb is what the button says, Effect what it does, said before.
	Verb, Effect string
	// Done is what is said afterwards.
	Done   string
	Danger bool
}

// acts are what can be done with a configuration as it is now.
func (s *standing) acts() (list []act) {
	pause := act{Name: "pause", Verb: "Pause", Done: "writes nothing until it is resumed.", Effect: "Nothing is written for it until it is resumed. What it has written stays; twins that leave its condition lose it as ever."}
	resume := act{Name: "resume", Verb: "Resume", Done: "goes on.", Effect: "It goes on where it was."}
	back := act{Name: "rollback", Verb: "Roll back", Done: "is taken back everywhere.", Danger: true, Effect: fmt.Sprintf(
		"What it wrote is taken from %s; where another configuration wants the same value, that one comes in its place. The configuration stays, and begins anew when it is resumed.", s.having())}
	advance := act{Name: "advance", Verb: "Begin next step", Done: "goes to its next step.", Effect: fmt.Sprintf("Step %d of %d begins now, whatever the present one waits for, and also if twins are unhealthy.", s.Step+1, s.Steps)}
	switch s.Progress.State {
	case configuration.Applying, configuration.Waiting:
		if s.Step < s.Steps {
			list = append(list, advance)
		}
		list = append(list, pause, back)
	case configuration.Applied:
		list = append(list, pause, back)
	case configuration.Paused, configuration.Halted:
		if s.Progress.State == configuration.Halted {
			resume.Effect = "It goes on where it was, and looks at the health condition again: if as many twins are unhealthy, it stops again."
		}
		list = append(list, resume, back)
	case configuration.RolledBack:
		resume.Effect = "It begins anew, with the first step if it has steps."
		list = append(list, resume)
	case configuration.RollingBack:
	}
	return append(list, act{Name: "delete", Verb: "Delete", Danger: true, Done: "is deleted; what it wrote is being taken back.", Effect: fmt.Sprintf(
		"The configuration is removed, and what it wrote is taken from %s; where another configuration wants the same value, that one comes in its place. This cannot be undone.", s.having())})
}

// having says who has what the configuration says.
func (s *standing) having() string {
	if s.Unknown != "" {
		return "every twin that has it"
	}
	return ui.Plural(s.Metrics.Applied, s.Noun())
}

// confirmation is the page that says what an act does, before it is done.
type confirmation struct {
	*standing

	Act act
	Err error
}

// confirm is the page of an act.
func (a *area) confirm(c *web.Call) error {
	s, do, err := a.find(c)
	if err != nil {
		return err
	}
	return c.Page(view(do.Verb, "confirm", &confirmation{standing: s, Act: do}, self(s.ID())))
}

// find returns the configuration of the address and the act in it, which must
// be one that can be done now.
func (a *area) find(c *web.Call) (*standing, act, error) {
	conf, err := a.Service.Get(c.Context(), c.Path("id"))
	if err != nil {
		return nil, act{}, err
	}
	s, err := a.standing(c.Context(), conf)
	if err != nil {
		return nil, act{}, err
	}
	for _, do := range s.acts() {
		if do.Name == c.Path("act") {
			return s, do, nil
		}
	}
	switch c.Path("act") {
	case "pause", "resume", "advance", "rollback":
		return nil, act{}, tvilling.Errorf(tvilling.PreconditionFailed, "This configuration is %s now, so it cannot be told to %s.", s.StateText(), c.Path("act"))
	}
	return nil, act{}, tvilling.Errorf(tvilling.NotFound, "There is no such page.")
}

// act does what was confirmed.
func (a *area) act(c *web.Call) error {
	s, do, err := a.find(c)
	if err != nil {
		return err
	}
	ctx, id, actor := c.Context(), s.ID(), c.Actor()
	switch do.Name {
	case "pause":
		_, err = a.Service.Pause(ctx, id, actor)
	case "resume":
		_, err = a.Service.Resume(ctx, id, actor)
	case "advance":
		_, err = a.Service.Advance(ctx, id, actor)
	case "rollback":
		_, err = a.Service.Rollback(ctx, id, actor)
	case "delete":
		err = a.Service.Delete(ctx, id, tvilling.ParseMatch(c.Form("etag")), actor)
	}
	if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
		v := view(do.Verb, "confirm", &confirmation{standing: s, Act: do, Err: tvilling.Errorf(tvilling.PreconditionFailed,
			"Somebody has changed this configuration since the page was made. It is shown as it is now; press the button again if you still mean it.")}, self(id))
		v.Status = http.StatusConflict
		return c.Page(v)
	}
	if err != nil {
		return err
	}
	to := ui.URL("configurations", id)
	if do.Name == "delete" {
		to = ui.URL("configurations")
	}
	return c.Redirect(to, id+" "+do.Done)
}

// Problem is what kept the act from being done.
func (p *confirmation) Problem() any { return web.Problem(p.Err) }
