package hubapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// listConfigurations is GET /configurations (wire §4.2): those that the caller
// may read, ascending by id.
func (h *Handler) listConfigurations(c *rest.Call) error {
	most, err := top(c)
	if err != nil {
		return err
	}
	list, err := h.Configurations.List(c.Context())
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(c.Context(), figuresTime)
	defer done()
	b, n := []byte{'['}, 0
	for i := range list {
		if h.readsConfiguration(c, &list[i]) != nil {
			continue
		}
		if n == most && most > 0 {
			break
		}
		if n++; n > 1 {
			b = append(b, ',')
		}
		b = appendConfiguration(b, &list[i], h.figures(ctx, c, &list[i]))
	}
	return c.JSON(append(b, ']'), "")
}

// getConfiguration is GET /configurations/{id}.
func (h *Handler) getConfiguration(c *rest.Call) error {
	conf, err := h.readConfiguration(c)
	if err != nil {
		return err
	}
	return h.answerConfiguration(c, &conf)
}

// putConfiguration is PUT /configurations/{id}: without If-Match it creates,
// with If-Match it changes what is there (wire §4.5).
func (h *Handler) putConfiguration(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	conf, err := parseConfiguration(b, c.Params["id"])
	if err != nil {
		return err
	}
	match := c.Match()
	if err := h.writesUpdate(c, &conf, match); err != nil {
		return err
	}
	if conf, err = h.Configurations.Put(c.Context(), conf, match, c.Who.Actor()); err != nil {
		return err
	}
	return h.answerConfiguration(c, &conf)
}

// deleteConfiguration is DELETE /configurations/{id}. What it wrote goes from
// the twins afterwards.
func (h *Handler) deleteConfiguration(c *rest.Call) error {
	conf, err := h.Configurations.Get(c.Context(), c.Params["id"])
	if err != nil {
		return err
	}
	if err := h.writesConfiguration(c, &conf); err != nil {
		return err
	}
	if err := h.Configurations.Delete(c.Context(), conf.ID, c.Match(), c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// testQueries is POST /configurations/testQueries:
//
//	{"targetCondition":"…","customMetricQueries":{"name":"SELECT …"}}
//
// answered by what is wrong with each, null and {} if nothing is:
//
//	{"targetConditionError":"…","customMetricQueryErrors":{"name":"…"}}
func (h *Handler) testQueries(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	var in struct {
		TargetCondition     string            `json:"targetCondition"`
		CustomMetricQueries map[string]string `json:"customMetricQueries"`
	}
	if err := rest.Decode(b, &in); err != nil {
		return err
	}
	target, queries := h.Configurations.Test(in.TargetCondition, in.CustomMetricQueries)
	b = append([]byte(nil), `{"targetConditionError":`...)
	b = rest.AppendNullable(b, target)
	b = append(b, `,"customMetricQueryErrors":`...)
	return c.JSON(append(appendTexts(b, queries), '}'), "")
}

// readConfiguration returns the configuration of the path, which the caller
// must be allowed to read.
func (h *Handler) readConfiguration(c *rest.Call) (configuration.Configuration, error) {
	conf, err := h.Configurations.Get(c.Context(), c.Params["id"])
	if err != nil {
		return conf, err
	}
	return conf, h.readsConfiguration(c, &conf)
}

func (h *Handler) answerConfiguration(c *rest.Call, conf *configuration.Configuration) error {
	ctx, done := context.WithTimeout(c.Context(), figuresTime)
	defer done()
	f := h.figures(ctx, c, conf)
	f.notices = h.Configurations.Notices(*conf)
	return c.JSON(appendConfiguration(nil, conf, f), conf.ETag())
}

// figuresTime is how long a request waits for what is counted, for all of the
// configurations in its answer. Without an index each takes a look at all twins.
const figuresTime = 5 * time.Second

// figures are what is counted for a configuration. Metrics that cannot be had
// do not fail a request for the definition, which may just have been changed:
// the answer says so in their place.
type figures struct {
	metrics configuration.Metrics
	failed  string // why there are no metrics
	// progress is nil for a configuration that is simply applied.
	progress *configuration.Progress
	// notices are told of one configuration, not in a list.
	notices []configuration.Notice
}

func (h *Handler) figures(ctx context.Context, c *rest.Call, conf *configuration.Configuration) figures {
	var f figures
	m, err := h.Configurations.Metrics(ctx, conf.ID)
	if err != nil {
		f.failed = h.without(c, conf.ID, "metrics of a configuration left out", err)
	} else {
		f.metrics = m
	}
	p, err := h.Configurations.Progress(c.Context(), conf.ID)
	if err != nil {
		h.without(c, conf.ID, "progress of a configuration left out", err)
	} else if conf.Rollout != nil || p.State != configuration.Applying && p.State != configuration.Applied {
		f.progress = &p
	}
	return f
}

// without logs why a part of an answer is not there and says it for the client.
func (h *Handler) without(c *rest.Call, id, message string, err error) string {
	if tvilling.CodeOf(err) == tvilling.ConfigurationNotFound {
		return "" // deleted meanwhile
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = &tvilling.Error{Code: tvilling.Unavailable, Message: "Counting takes longer than a request waits for it; ask again.", Err: err}
	}
	c.Log(slog.LevelWarn, message, slog.String("configuration", id), rest.ErrorAttr(err))
	return tvilling.MessageOf(err)
}

// configurationBody is what is read of a configuration in a request. Clients
// send back whole configurations; what is not here is ignored.
type configurationBody struct {
	ID              string            `json:"id"`
	SchemaVersion   string            `json:"schemaVersion"`
	Labels          map[string]string `json:"labels"`
	Content         json.RawMessage   `json:"content"`
	TargetCondition string            `json:"targetCondition"`
	Priority        int               `json:"priority"`
	Metrics         struct {
		Queries map[string]string `json:"queries"`
	} `json:"metrics"`
	Rollout json.RawMessage `json:"rollout"`
	Paused  bool            `json:"paused"`
}

// parseConfiguration reads a configuration from a checked object. id is that of
// the path, "" if the body has to say it.
func parseConfiguration(b []byte, id string) (configuration.Configuration, error) {
	var in configurationBody
	if err := rest.Decode(b, &in); err != nil {
		return configuration.Configuration{}, err
	}
	switch {
	case id == "" && in.ID == "":
		return configuration.Configuration{}, rest.BadMember("id", "The body needs the id of the configuration.")
	case id == "":
		id = in.ID
	case in.ID != "" && in.ID != id:
		return configuration.Configuration{}, rest.BadMember("id", "The id in the body is not the one in the path.")
	}
	conf := configuration.Configuration{
		ID: id, SchemaVersion: in.SchemaVersion, Labels: in.Labels, Content: bytes.TrimSpace(in.Content),
		Target: in.TargetCondition, Priority: in.Priority, Metrics: in.Metrics.Queries, Paused: in.Paused,
	}
	if len(conf.Content) == 0 || isNull(conf.Content) {
		conf.Content = nil
	}
	var err error
	conf.Rollout, err = parseRollout(bytes.TrimSpace(in.Rollout))
	return conf, err
}

// parseRollout reads the member rollout, which is ours: original clients do not
// send it, and must not end a rollout by that. nil keeps the rollout that there
// is; null is one without steps, which ends it.
func parseRollout(raw []byte) (*configuration.Rollout, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	r := &configuration.Rollout{}
	if isNull(raw) {
		return r, nil
	}
	if raw[0] != '{' {
		return nil, rest.BadMember("rollout", "The value must be a JSON object, or null for none.")
	}
	if err := rest.DecodeStrict(raw, r); err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read body", Path: "rollout", Message: tvilling.MessageOf(err), Err: err}
	}
	return r, nil
}
