package hubapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// maxPlan is the largest page of a dry run.
const maxPlan = 100

// configurationProgress is GET /tvilling/configurations/{id}/progress: how far
// a configuration is,
//
//	{"id":"fw-5","state":"waiting","reason":"…","step":1,"steps":3,"reach":50,
//	 "nextStepTimeUtc":"…","looked":1000,"blocked":0,"damped":0,"unhealthy":1,
//	 "watched":50,"updatedTimeUtc":"…",
//	 "metrics":{"targetedCount":1000,"appliedCount":50,"timeUtc":"…"}}
//
// reason, nextStepTimeUtc and what counts steps are there when there is
// something to say; reach is absent for the step that comes to all twins.
func (h *Handler) configurationProgress(c *rest.Call) error {
	conf, err := h.readConfiguration(c)
	if err != nil {
		return err
	}
	p, err := h.Configurations.Progress(c.Context(), conf.ID)
	if err != nil {
		return err
	}
	return h.answerProgress(c, p)
}

func (h *Handler) answerProgress(c *rest.Call, p configuration.Progress) error {
	b := appendProgress(nil, p)
	ctx, done := context.WithTimeout(c.Context(), figuresTime)
	defer done()
	m, err := h.Configurations.Metrics(ctx, p.ID)
	if err != nil {
		h.without(c, p.ID, "metrics of a configuration left out", err)
		return c.JSON(append(b, '}'), "")
	}
	b = append(b, `,"metrics":{"targetedCount":`...)
	b = strconv.AppendInt(b, m.Targeted, 10)
	b = append(b, `,"appliedCount":`...)
	b = strconv.AppendInt(b, m.Applied, 10)
	b = append(b, `,"timeUtc":`...)
	return c.JSON(append(rest.AppendTime(b, m.Time), `}}`...), "")
}

// The four that an operator has over a configuration under way answer as
// [Handler.configurationProgress] does.

// pauseConfiguration is POST /tvilling/configurations/{id}/pause.
func (h *Handler) pauseConfiguration(c *rest.Call) error {
	return h.steer(c, h.Configurations.Pause)
}

// resumeConfiguration is POST /tvilling/configurations/{id}/resume.
func (h *Handler) resumeConfiguration(c *rest.Call) error {
	return h.steer(c, h.Configurations.Resume)
}

// advanceConfiguration is POST /tvilling/configurations/{id}/advance.
func (h *Handler) advanceConfiguration(c *rest.Call) error {
	return h.steer(c, h.Configurations.Advance)
}

// rollbackConfiguration is POST /tvilling/configurations/{id}/rollback.
func (h *Handler) rollbackConfiguration(c *rest.Call) error {
	return h.steer(c, h.Configurations.Rollback)
}

func (h *Handler) steer(c *rest.Call, do func(ctx context.Context, id, actor string) (configuration.Progress, error)) error {
	conf, err := h.Configurations.Get(c.Context(), c.Params["id"])
	if err != nil {
		return err
	}
	if err := h.writesConfiguration(c, &conf); err != nil {
		return err
	}
	p, err := do(c.Context(), conf.ID, c.Who.Actor())
	if err != nil {
		return err
	}
	return h.answerProgress(c, p)
}

// planConfiguration is POST /tvilling/configurations/plan?after=&limit=: what
// the configuration in the body, in the form of a PUT, would do if it were put
// now, without doing it:
//
//	{"targeted":1000,"leaving":2,"twins":[{"deviceId":"d1","targeted":true,
//	 "status":"Applied","edits":[{"path":"a.b","old":1,"new":2,"by":"fw-5"}]}],
//	 "next":"d1","notices":[{"path":"properties.desired.a.b","configuration":"base",
//	 "yields":false,"message":"…"}]}
//
// old and new are absent where there is nothing; by is the configuration that
// sets the new value, or whose value it takes away. next is what to pass as
// after for the page that follows, absent on the last one.
func (h *Handler) planConfiguration(c *rest.Call) error {
	limit, err := c.Within("limit", maxPlan, 1, maxPlan)
	if err != nil {
		return err
	}
	after, err := parseAfter(c.Query.Get("after"))
	if err != nil {
		return err
	}
	b, err := c.Object()
	if err != nil {
		return err
	}
	conf, err := parseConfiguration(b, "")
	if err != nil {
		return err
	}
	present, err := h.Configurations.Get(c.Context(), conf.ID)
	if err != nil && tvilling.CodeOf(err) != tvilling.ConfigurationNotFound {
		return err
	}
	if conf.Content == nil {
		// Of one that is there, what it sets may be left out.
		conf.Content = present.Content
	}
	// The twins that it has now are in the answer, too.
	ordinary := h.reachOf(&conf).ordinary || err == nil && h.reachOf(&present).ordinary
	if !c.Who.May(auth.ServiceConnect) && ordinary {
		return c.Forbid("the answer shows twins, for which a policy needs ServiceConnect")
	}
	d, err := h.Configurations.Plan(c.Context(), conf, after, limit)
	if err != nil {
		return err
	}
	return c.JSON(appendDryRun(nil, d), "")
}

// parseAfter reads "device" or "device/module"; "" is before the first.
func parseAfter(s string) (tvilling.Identity, error) {
	device, module, _ := strings.Cut(s, "/")
	id := tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
	if s == "" {
		return id, nil
	}
	if err := id.Check(); err != nil {
		return id, rest.BadParameter("after", "The value must be a device, or device/module: "+tvilling.MessageOf(err))
	}
	return id, nil
}

// whyTwin is GET /tvilling/twins/{device}[/modules/{module}]/why: where the
// desired properties of a twin come from,
//
//	{"deviceId":"d1","desired":[{"path":"a.b","value":2,
//	 "actor":"configuration:fw-5@…","time":"…","version":7,
//	 "wishes":[{"configuration":"fw-5","value":2},{"configuration":"base","value":1}]}],
//	 "configurations":[{"id":"fw-5","priority":10,"targeted":true,"status":"Applied"}]}
//
// The first of the wishes is in force, the second would be next. A value that
// only is wished for, such as one of a configuration that is paused, has no
// value, actor, time and version.
func (h *Handler) whyTwin(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	e, err := h.Configurations.Why(c.Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(appendExplanation(nil, e), "")
}
