package configurations

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// The kinds of configurations as the form has them.
const (
	forDevices = "device"
	forModules = "module"
	forAgents  = "agent"
)

// fields are a configuration as people write it.
type fields struct {
	ID       string   `json:"id"`
	Kind     string   `json:"kind"`
	Target   string   `json:"target"`
	Priority string   `json:"priority"`
	Content  string   `json:"content"`
	Agent    pairs    `json:"agent"`
	Labels   string   `json:"labels"`
	Metrics  []metric `json:"metrics"`

	Steps     string `json:"steps"`
	Wait      string `json:"wait"`
	Unhealthy string `json:"unhealthy"`
	Limit     string `json:"limit"`
	Reaction  string `json:"reaction"`
	Paused    bool   `json:"paused"`
}

// pairs are texts by name.
type pairs map[string]string

// metric is one custom metric.
type metric struct {
	Name  string `json:"name"`
	Query string `json:"query"`
}

// read takes what was typed.
func read(c *web.Call) fields {
	f := fields{
		ID: c.Form("id"), Kind: c.Form("kind"), Target: c.Form("target"), Priority: c.Form("priority"), Content: c.Raw("content"), Labels: c.Raw("labels"),
		Steps: c.Form("steps"), Wait: c.Form("wait"), Unhealthy: c.Form("unhealthy"), Limit: c.Form("limit"), Reaction: c.Form("reaction"),
		Paused: c.Form("paused") != "",
	}
	names, queries := c.FormList("metric"), c.FormList("query")
	for i := range min(len(names), len(queries), configuration.MaxMetrics) {
		f.Metrics = append(f.Metrics, metric{strings.TrimSpace(names[i]), strings.TrimSpace(queries[i])})
	}
	for _, p := range agentconfig.Properties() {
		f.Agent.set(p.Name, c.Form("agent."+p.Name))
	}
	return f.fill()
}

func (p *pairs) set(name, text string) {
	if text == "" {
		return
	}
	if *p == nil {
		*p = make(pairs)
	}
	(*p)[name] = text
}

// fill has a row for every metric that there can be, and a kind.
func (f fields) fill() fields {
	for len(f.Metrics) < configuration.MaxMetrics {
		f.Metrics = append(f.Metrics, metric{})
	}
	if f.Kind != forModules && f.Kind != forAgents {
		f.Kind = forDevices
	}
	return f
}

// write is a configuration as people write it.
func write(c *configuration.Configuration) fields {
	f := fields{ID: c.ID, Kind: forDevices, Priority: strconv.Itoa(c.Priority), Paused: c.Paused}
	if c.Kind() == configuration.Modules {
		f.Kind = forModules
	}
	f.Target = conditionOf(c.Target)
	f.Content = indent(c.Content)
	if isAgent(c) && strings.HasPrefix(f.Target, security) {
		if rest, ok := agentRest(f.Target); ok {
			f.Kind, f.Target = forAgents, rest
			f.agent(c.Content)
		}
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		labels = append(labels, name+"="+c.Labels[name])
	}
	f.Labels = strings.Join(labels, "\n")
	for _, name := range slices.Sorted(maps.Keys(c.Metrics)) {
		f.Metrics = append(f.Metrics, metric{name, c.Metrics[name]})
	}
	if r := c.Rollout; r != nil {
		var steps []string
		for _, s := range r.Steps {
			steps = append(steps, s.String())
		}
		f.Steps = strings.Join(steps, ", ")
		if r.Wait > 0 {
			f.Wait = r.Wait.String()
		}
		if f.Unhealthy = conditionOf(r.Unhealthy); r.Limit != (configuration.Share{}) {
			f.Limit = r.Limit.String()
		}
		f.Reaction = string(r.OnUnhealthy)
	}
	return f.fill()
}

// agentRest is what a condition over security modules asks besides that.
func agentRest(target string) (rest string, ok bool) {
	rest = strings.TrimSpace(strings.TrimPrefix(target, security))
	if rest == "" {
		return "*", true
	}
	inner, ok := strings.CutPrefix(rest, "and (")
	if !ok || !strings.HasSuffix(inner, ")") {
		return "", false
	}
	return strings.TrimSuffix(inner, ")"), true
}

// agent reads the properties of the security agent's configuration.
func (f *fields) agent(content json.RawMessage) {
	var kinds struct {
		Modules map[string]map[string]json.RawMessage `json:"moduleContent"`
	}
	if json.Unmarshal(content, &kinds) != nil {
		return // it was checked; the text of the content is shown then
	}
	for name, raw := range kinds.Modules[agentPath] {
		var wrapped struct {
			Value json.RawMessage `json:"value"`
		}
		switch {
		case string(raw) == "null":
			f.Agent.set(name, "default")
		case json.Unmarshal(raw, &wrapped) == nil && len(wrapped.Value) > 0:
			f.Agent.set(name, unquote(wrapped.Value))
		default:
			f.Agent.set(name, unquote(raw))
		}
	}
}

func unquote(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// indent is a content as the form shows it: the object of values by path.
func indent(content json.RawMessage) string {
	var kinds map[string]json.RawMessage
	if json.Unmarshal(content, &kinds) != nil {
		return string(content)
	}
	for _, body := range kinds {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil && string(body) != "null" {
			return b.String()
		}
	}
	return string(content)
}

// configuration is what the fields say; problems are by the name of the field.
func (f *fields) configuration() (configuration.Configuration, map[string]error) {
	c := configuration.Configuration{ID: f.ID, Target: f.target(f.Target), Paused: f.Paused}
	wrong := make(map[string]error)
	var err error
	if c.Priority, err = strconv.Atoi(orZero(f.Priority)); err != nil {
		wrong["priority"] = tvilling.Errorf(tvilling.InvalidArgument, "A priority is a whole number, 0 or more.")
	}
	if c.Content, err = f.content(); err != nil {
		wrong["content"] = err
	}
	if c.Labels, err = f.labels(); err != nil {
		wrong["labels"] = err
	}
	if c.Metrics, err = f.metrics(); err != nil {
		wrong["metrics"] = err
	}
	c.Rollout = f.rollout(wrong)
	return c, wrong
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// kind is which twins the fields are about.
func (f *fields) kind() configuration.Kind {
	if f.Kind == forDevices {
		return configuration.Devices
	}
	return configuration.Modules
}

// target is a condition with what says of which twins it is.
func (f *fields) target(condition string) string {
	switch {
	case condition == "" || f.Kind == forDevices:
		return condition
	case f.Kind == forModules:
		return modulesPrefix + " " + condition
	case condition == "*":
		return modulesPrefix + " " + security
	default:
		return modulesPrefix + " " + security + " and (" + condition + ")"
	}
}

// content is the JSON of the content.
func (f *fields) content() (json.RawMessage, error) {
	name := "deviceContent"
	if f.Kind != forDevices {
		name = "moduleContent"
	}
	var body json.RawMessage
	if f.Kind == forAgents {
		if len(f.Agent) == 0 {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "Set at least one property of the agents' configuration.")
		}
		object, err := agentconfig.Part(f.Agent)
		if err != nil {
			return nil, err
		}
		if body, err = json.Marshal(map[string]json.RawMessage{agentPath: object}); err != nil {
			return nil, fmt.Errorf("encode the content: %w", err)
		}
	} else {
		body = json.RawMessage(strings.TrimSpace(f.Content))
		if err := readable(body); err != nil {
			return nil, err
		}
	}
	return json.RawMessage(`{"` + name + `":` + string(body) + `}`), nil
}

// readable says where a JSON text cannot be read.
func readable(body []byte) error {
	if len(body) == 0 {
		return tvilling.Errorf(tvilling.InvalidArgument, `Say what is to be in the twins: {"properties.desired.fps": 30}.`)
	}
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	if err == nil {
		return nil
	}
	line, column := 1, 1
	if e, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // encoding/json returns it as it is
		before := body[:max(0, min(len(body), int(e.Offset)-1))]
		line += bytes.Count(before, []byte("\n"))
		column += len(before) - 1 - bytes.LastIndexByte(before, '\n')
	}
	return tvilling.Errorf(tvilling.InvalidArgument, "Line %d, column %d: this is not JSON (%s).", line, column, err)
}

func (f *fields) labels() (map[string]string, error) {
	labels := make(map[string]string)
	for line := range strings.Lines(f.Labels) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, text, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "A label is written as name=text, one a line; %.60q is not.", line)
		}
		if _, twice := labels[name]; twice {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "The label %.60q is there twice.", name)
		}
		labels[name] = strings.TrimSpace(text)
	}
	if len(labels) == 0 {
		return nil, nil
	}
	return labels, nil
}

func (f *fields) metrics() (map[string]string, error) {
	var list map[string]string
	for i, m := range f.Metrics {
		if m.Name == "" && m.Query == "" {
			continue
		}
		if m.Name == "" || m.Query == "" {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "Metric %d needs a name and a query.", i+1)
		}
		if _, twice := list[m.Name]; twice {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "The metric %.60q is there twice.", m.Name)
		}
		if list == nil {
			list = make(map[string]string)
		}
		list[m.Name] = m.Query
	}
	return list, nil
}

// rollout is what the fields say of one; without steps it ends the one there is.
func (f *fields) rollout(wrong map[string]error) *configuration.Rollout {
	r := &configuration.Rollout{Unhealthy: f.Unhealthy, OnUnhealthy: configuration.Reaction(f.Reaction)}
	for text := range strings.FieldsFuncSeq(f.Steps, func(r rune) bool { return r == ',' || r == ' ' || r == ';' || r == '\n' }) {
		s, err := share(text)
		if err != nil {
			wrong["steps"] = err
			break
		}
		r.Steps = append(r.Steps, s)
	}
	if len(r.Steps) == 0 {
		if f.Wait != "" || f.Unhealthy != "" || f.Limit != "" {
			wrong["steps"] = tvilling.Errorf(tvilling.InvalidArgument, "A wait, a health condition and a limit are of a rollout: give it steps, such as 5%%, 50%%.")
		}
		return &configuration.Rollout{}
	}
	var err error
	if r.Wait, err = wait(f.Wait); err != nil {
		wrong["wait"] = err
	}
	if f.Limit != "" {
		if r.Limit, err = share(f.Limit); err != nil {
			wrong["limit"] = err
		}
	}
	return r
}

// share reads "5%" or "100".
func share(text string) (configuration.Share, error) {
	bad := tvilling.Errorf(tvilling.InvalidArgument, "%.40q is neither a part of the twins, as 5%%, nor a number of them, as 100.", text)
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		if err != nil || n < 0 || n > 100 {
			return configuration.Share{}, bad
		}
		return configuration.Share{Percent: n}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return configuration.Share{}, bad
	}
	return configuration.Share{Count: n}, nil
}

// wait reads "10 min", "10m" or "PT10M"; nothing is no time.
func wait(text string) (configuration.Duration, error) {
	var d configuration.Duration
	if text == "" {
		return 0, nil
	}
	if strings.HasPrefix(text, "P") {
		return d, d.UnmarshalText([]byte(text))
	}
	short := strings.NewReplacer(" ", "", "min", "m", "d", "*24h").Replace(text)
	if days, ok := strings.CutSuffix(short, "*24h"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && n >= 0 && n <= 366 {
			return configuration.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	got, err := time.ParseDuration(short)
	if err != nil || got < 0 || got > 366*24*time.Hour {
		return 0, tvilling.Errorf(tvilling.InvalidArgument, "%.40q is not a duration such as 10 min, 2h, 1d or PT30M.", text)
	}
	return configuration.Duration(got), nil
}
