package settings

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// State says where the settings in force come from.
type State string

// The states.
const (
	// StateApplied: what is desired is in force.
	StateApplied State = "applied"
	// StateRefused: what is desired is invalid; what was in force before still is.
	StateRefused State = "refused"
	// StateDefaults: there was no usable desired section yet, since the agent started.
	StateDefaults State = "defaults"
)

// maxTold bounds the problems that are reported.
const maxTold = 20

// Report returns the reported properties: the effective values, how they came
// about, and what the agent says of itself (status; it goes to the extension's
// member as it is).
func Report(d Dialect, s *Settings, state State, problems []Problem, status map[string]any) map[string]any {
	all := s.Reported()
	own := all[agentconfig.ExtensionObject].(map[string]any)
	configuration := map[string]any{"state": quote(string(state))}
	if texts := told(problems); len(texts) > 0 {
		list, _ := json.Marshal(texts) // fails on no strings
		configuration["problems"] = json.RawMessage(list)
	}
	own["configuration"] = configuration
	maps.Copy(own, status)
	if d == MicroAgent {
		all["latest_state"] = quote("success")
		var invalid []string
		for _, p := range problems {
			if Refused(p) {
				invalid = append(invalid, p.Property)
			}
		}
		if len(invalid) > 0 || state == StateRefused {
			all["latest_state"] = quote("failed")
			all["latest_invalid_fields"] = quote(cut(strings.Join(invalid, ","), 4000))
		}
	}
	return all
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // fails on no string
	return b
}

func cut(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// told are problems as text.
func told(problems []Problem) []string {
	var texts []string
	for n, p := range problems {
		if n == maxTold {
			texts = append(texts, "There are more problems.")
			break
		}
		texts = append(texts, cut(string(p.Kind)+": "+p.Message, 500))
	}
	return texts
}

// Patch returns the JSON merge patch (RFC 7396) that makes reported properties
// of was into those of now, nil if they are equal. A nil was stands for unknown
// ones: the patch has all of now. Values are maps or [json.RawMessage].
func Patch(was, now map[string]any) []byte {
	p := diff(was, now)
	if len(p) == 0 {
		return nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic("settings: reported properties that are not JSON: " + err.Error())
	}
	return b
}

func diff(was, now map[string]any) map[string]any {
	p := map[string]any{}
	for name, v := range now {
		before, there := was[name]
		inner, isMap := v.(map[string]any)
		if !isMap {
			if b, ok := before.(json.RawMessage); !ok || !bytes.Equal(b, v.(json.RawMessage)) {
				p[name] = v
			}
			continue
		}
		innerBefore, _ := before.(map[string]any)
		if d := diff(innerBefore, inner); len(d) > 0 || !there {
			p[name] = d
		}
	}
	for name := range was {
		if _, ok := now[name]; !ok {
			p[name] = nil
		}
	}
	return p
}
