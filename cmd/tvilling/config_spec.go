package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// configFlags say what a configuration is to be: by a file, by flags, or by a
// file that flags change.
type configFlags struct {
	file     string
	target   string
	priority int
	set      []string
	agent    []string
	labels   []string
	metrics  []string

	steps       []string
	wait        string
	unhealthy   string
	limit       string
	onUnhealthy string
	noRollout   bool

	given func(flag string) bool
}

// The flags that make a rollout.
var rolloutFlags = []string{"step", "wait", "unhealthy", "limit", "on-unhealthy"}

func (o *configFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.file, "file", "", "JSON `file` with the configuration as az and \"config show --json\" write it, or with its content alone; - for standard input")
	f.StringVar(&o.target, "target", "", "`condition` over device twins (\"tags.site = 'lab'\", * for all), or \"from devices.modules where …\"")
	f.IntVar(&o.priority, "priority", 0, "of several configurations for one property the highest `number` wins")
	f.StringArrayVar(&o.set, "set", nil, "what is to be in the twins, as `properties.desired.path=value`; the value is JSON or a text, null removes; may be given several times")
	f.StringArrayVar(&o.agent, "agent", nil, "a `property=value` of the security agent's configuration; may be given several times")
	f.StringArrayVar(&o.labels, "label", nil, "a `name=text` for people; nothing after = removes it; may be given several times")
	f.StringArrayVar(&o.metrics, "metric", nil, "a custom metric as `name=query`; nothing after = removes it; may be given several times")
	f.StringArrayVar(&o.steps, "step", nil, "a step of a rollout: how many twins, as 5% or 100; may be given several times; after the last come all")
	f.StringVar(&o.wait, "wait", "", "how long a finished step is watched before the next one, as 10m or PT10M")
	f.StringVar(&o.unhealthy, "unhealthy", "", "`condition` under which a twin that has the configuration is unhealthy")
	f.StringVar(&o.limit, "limit", "", "how many twins may be unhealthy, as 2% or 5 (default none)")
	f.StringVar(&o.onUnhealthy, "on-unhealthy", "", "what to do when more are: halt (the default) or rollback")
	completes(cmd, "on-unhealthy", "halt", "rollback")
	completesBy(cmd, "agent", completeAgent)
	completesBy(cmd, "file", completeFiles)
	o.given = func(flag string) bool { return cmd.Flags().Changed(flag) }
}

func completeAgent(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var words []string
	for _, p := range agentconfig.Properties() {
		words = append(words, p.Name+"=\t"+p.Description)
	}
	return words, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// read puts a configuration together: what the file says, and over it the
// flags. args may name it.
func (o *configFlags) read(args []string, stdin io.Reader) (client.ConfigurationSpec, error) {
	var s client.ConfigurationSpec
	if o.file != "" {
		b, err := readFile(o.file, stdin)
		if err != nil {
			return s, err
		}
		if s, err = readSpec(b); err != nil {
			return s, usageError{fmt.Errorf("%s: %w", o.file, err)}
		}
	}
	if len(args) > 0 {
		s.ID = args[0]
	}
	if s.ID == "" {
		return s, usageError{errors.New("give the id of the configuration: as an argument, or as the member id of the file")}
	}
	if err := o.change(&s); err != nil {
		return s, err
	}
	content, err := o.content(&s)
	if err != nil {
		return s, err
	}
	if content != nil && s.Content != nil {
		return s, usageError{errors.New("the file has the content already; --set and --agent would be a second one")}
	}
	if content != nil {
		s.Content = content
	}
	return s, nil
}

// readSpec reads a configuration in the form of Azure's tools, or its content.
func readSpec(b []byte) (client.ConfigurationSpec, error) {
	var file struct {
		client.ConfigurationSpec

		Device  json.RawMessage `json:"deviceContent"`
		Module  json.RawMessage `json:"moduleContent"`
		Modules json.RawMessage `json:"modulesContent"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return file.ConfigurationSpec, err
	}
	s := file.ConfigurationSpec
	s.Metrics.Results = nil
	if s.Content == nil && (file.Device != nil || file.Module != nil || file.Modules != nil) {
		s.Content = b
	}
	if s.Content == nil {
		return s, errors.New(`no content; the file needs {"content":{"deviceContent":{"properties.desired.…":…}}} or moduleContent`)
	}
	content, err := withoutNulls(s.Content)
	s.Content = content
	return s, err
}

// withoutNulls drops the members of an object that are null: Azure's tools
// print every kind of content that a configuration could have.
func withoutNulls(raw json.RawMessage) (json.RawMessage, error) {
	members, err := readObject(raw)
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	b := []byte{'{'}
	for _, m := range members {
		if string(bytes.TrimSpace(m.value)) == "null" {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		b = append(append(append(b, name...), ':'), m.value...)
	}
	return append(b, '}'), nil
}

// change puts the flags over s, those for the content aside.
func (o *configFlags) change(s *client.ConfigurationSpec) error {
	if o.given("target") {
		s.TargetCondition = o.target
	}
	if len(o.agent) > 0 {
		s.TargetCondition = agentTarget(s.TargetCondition)
	}
	if o.given("priority") {
		s.Priority = o.priority
	}
	var err error
	if s.Labels, err = changeTexts(s.Labels, "label", o.labels); err != nil {
		return err
	}
	if s.Metrics.Queries, err = changeTexts(s.Metrics.Queries, "metric", o.metrics); err != nil {
		return err
	}
	return o.rollout(s)
}

// agentTarget makes a condition one over security module twins: that is where
// the agent's configuration is.
func agentTarget(condition string) string {
	security := "from devices.modules where moduleId = '" + string(tvilling.SecurityModule) + "'"
	switch condition = strings.TrimSpace(condition); {
	case condition == "" || isForModules(condition):
		return condition
	case condition == "*":
		return security
	default:
		return security + " and (" + condition + ")"
	}
}

// changeTexts puts name=text pairs over a map; an empty text removes a name.
func changeTexts(m map[string]string, flag string, pairs []string) (map[string]string, error) {
	m = maps.Clone(m)
	for _, p := range pairs {
		name, text, ok := strings.Cut(p, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usageError{fmt.Errorf("--%s %q: it is written as name=text", flag, p)}
		}
		if text == "" {
			delete(m, name)
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[name] = text
	}
	return m, nil
}

// content is what --set and --agent say, nil without them.
func (o *configFlags) content(s *client.ConfigurationSpec) (json.RawMessage, error) {
	if len(o.set) == 0 && len(o.agent) == 0 {
		return nil, nil
	}
	values := map[string]any{}
	for _, p := range o.set {
		path, text, ok := strings.Cut(p, "=")
		if !ok || path != "properties.desired" && !strings.HasPrefix(path, "properties.desired.") {
			return nil, usageError{fmt.Errorf("--set %q: it is written as properties.desired.path=value", p)}
		}
		if _, twice := values[path]; twice {
			return nil, usageError{fmt.Errorf("--set %s is given twice", path)}
		}
		if values[path] = json.RawMessage(text); !json.Valid([]byte(text)) {
			values[path] = text
		}
	}
	kind := "deviceContent"
	if isForModules(s.TargetCondition) || len(o.agent) > 0 {
		kind = "moduleContent"
	}
	if len(o.agent) > 0 {
		object, err := agentObject(o.agent)
		if err != nil {
			return nil, err
		}
		values["properties.desired."+agentconfig.Object] = object
	}
	return json.Marshal(map[string]any{kind: values})
}

// agentObject reads properties of the agent's configuration into the object in
// which they stand in a twin. A default is a null: what another configuration
// of less priority wants there is not to be.
func agentObject(pairs []string) (json.RawMessage, error) {
	texts := make(map[string]string, len(pairs))
	for _, p := range pairs {
		name, text, ok := strings.Cut(p, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("--agent %q: it is written as property=value", p)}
		}
		texts[name] = text
	}
	object, err := agentconfig.Part(texts)
	if err != nil {
		return nil, usageError{fmt.Errorf("--agent: %s", tvilling.MessageOf(err))}
	}
	return object, nil
}

// rollout puts the flags for it over the rollout of s.
func (o *configFlags) rollout(s *client.ConfigurationSpec) error {
	if o.noRollout {
		s.Rollout = json.RawMessage("null")
		return nil
	}
	changed := false
	for _, flag := range rolloutFlags {
		changed = changed || o.given(flag)
	}
	if !changed {
		return nil
	}
	var r client.Rollout
	if len(s.Rollout) > 0 && string(s.Rollout) != "null" {
		if err := json.Unmarshal(s.Rollout, &r); err != nil {
			return usageError{fmt.Errorf("the member rollout: %w", err)}
		}
	}
	if err := o.changeRollout(&r); err != nil {
		return err
	}
	if len(r.Steps) == 0 {
		return usageError{errors.New("a rollout needs a --step, such as --step 5%")}
	}
	b, err := json.Marshal(r)
	s.Rollout = b
	return err
}

func (o *configFlags) changeRollout(r *client.Rollout) error {
	var err error
	if o.given("step") {
		r.Steps = nil
		for _, text := range o.steps {
			step, err := parseShare("step", text)
			if err != nil {
				return err
			}
			r.Steps = append(r.Steps, step)
		}
	}
	if o.given("wait") {
		if r.Wait, err = parseWait(o.wait); err != nil {
			return err
		}
	}
	if o.given("unhealthy") {
		r.Unhealthy = o.unhealthy
	}
	if o.given("limit") {
		if r.Limit, err = parseShare("limit", o.limit); err != nil {
			return err
		}
	}
	if o.given("on-unhealthy") {
		if err := oneOf("on-unhealthy", []string{o.onUnhealthy}, []string{"halt", "rollback"}); err != nil {
			return err
		}
		r.OnUnhealthy = o.onUnhealthy
	}
	return nil
}

// parseShare reads "5%" or "100".
func parseShare(flag, text string) (client.Share, error) {
	bad := usageError{fmt.Errorf("--%s %q: it is a part of the twins, as 5%%, or a number of them, as 100", flag, text)}
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseFloat(percent, 64)
		if err != nil || n < 0 || n > 100 {
			return client.Share{}, bad
		}
		return client.Share{Percent: n}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return client.Share{}, bad
	}
	return client.Share{Count: n}, nil
}

// parseWait reads "10m" or "PT10M" and returns the second form.
func parseWait(text string) (string, error) {
	if strings.HasPrefix(text, "P") {
		return text, nil // the hub says what is wrong with it, if anything
	}
	var d span
	if err := d.Set(text); err != nil {
		return "", usageError{fmt.Errorf("--wait %q: %w; or write it as PT10M", text, err)}
	}
	return "PT" + strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64) + "S", nil
}
