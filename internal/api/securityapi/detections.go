package securityapi

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// ruleType is the media type of a Sigma rule.
const ruleType = "application/yaml; charset=utf-8"

// infoJSON says what a detection is.
type infoJSON struct {
	ID             string   `json:"id"`
	Type           string   `json:"type"`
	Title          string   `json:"title"`
	Description    string   `json:"description"`
	Severity       string   `json:"severity"`
	Version        string   `json:"version"`
	Source         string   `json:"source"`
	Remediation    []string `json:"remediation"`
	Techniques     []string `json:"techniques"`
	Tactics        []string `json:"tactics"`
	References     []string `json:"references"`
	FalsePositives []string `json:"falsePositives"`
	Text           string   `json:"text,omitempty"`
}

func toInfo(i *detect.Info) infoJSON {
	return infoJSON{
		ID: i.ID, Type: i.Type, Title: i.Title, Description: i.Description, Severity: i.Severity.String(), Version: i.Version,
		Source: i.Source, Remediation: some(i.Remediation), Techniques: some(i.Techniques), Tactics: some(i.Tactics),
		References: some(i.References), FalsePositives: some(i.FalsePositives), Text: i.Text,
	}
}

type parameterJSON struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Unit        string `json:"unit"`
	Value       int64  `json:"value"`
	Default     int64  `json:"default"`
	Min         int64  `json:"min"`
	Max         int64  `json:"max"`
}

// detectionJSON is a detection as it is set.
type detectionJSON struct {
	infoJSON
	Enabled bool `json:"enabled"`
	// Error says why it is not in force though it is enabled.
	Error string `json:"error,omitempty"`
	// Findings counts what it has found since the hub started.
	Findings   int64           `json:"findings"`
	Parameters []parameterJSON `json:"parameters"`
}

func toDetection(v detect.View) detectionJSON {
	out := detectionJSON{infoJSON: toInfo(v.Info), Enabled: v.Enabled, Error: v.Error, Findings: v.Findings, Parameters: []parameterJSON{}}
	for _, p := range v.Parameters {
		out.Parameters = append(out.Parameters, parameterJSON{p.Name, p.Description, p.Unit, v.Values[p.Name], p.Default, p.Min, p.Max})
	}
	return out
}

func answerDetection(c *rest.Call, v detect.View, err error) error {
	if err != nil {
		return err
	}
	return c.Answer(toDetection(v), "")
}

// listDetections is GET detections. The texts of rules are left out; each
// stands with its detection.
func (h *Handler) listDetections(c *rest.Call) error {
	out := struct {
		Detections []detectionJSON `json:"detections"`
	}{[]detectionJSON{}}
	for _, v := range h.opt.Detections.List() {
		d := toDetection(v)
		d.Text = ""
		out.Detections = append(out.Detections, d)
	}
	return c.Answer(out, "")
}

// getDetection is GET detections/{id}.
func (h *Handler) getDetection(c *rest.Call) error {
	d, err := h.opt.Detections.Get(c.Params["id"])
	return answerDetection(c, d, err)
}

// patchDetection is PATCH detections/{id}: switches it on or off and sets
// thresholds; what is left out stays.
func (h *Handler) patchDetection(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	var in struct {
		Enabled    *bool             `json:"enabled"`
		Parameters map[string]*int64 `json:"parameters"`
	}
	if err := rest.DecodeStrict(b, &in); err != nil {
		return err
	}
	if in.Enabled == nil && len(in.Parameters) == 0 {
		return rest.BadMember("", "The change is empty; it has enabled or parameters, or both.")
	}
	values := make(map[string]int64, len(in.Parameters))
	for name, v := range in.Parameters {
		if v == nil {
			return rest.BadMember("parameters."+name, "The value must be a whole number.")
		}
		values[name] = *v
	}
	d, err := h.opt.Detections.Configure(c.Context(), c.Params["id"], in.Enabled, values, c.Who.Actor())
	return answerDetection(c, d, err)
}

// rule reads a body that is the text of a rule.
func rule(c *rest.Call) (string, error) {
	b, err := c.Body()
	if err != nil {
		return "", err
	}
	if len(b) == 0 {
		return "", tvilling.Errorf(tvilling.InvalidArgument, "The request needs a body: the text of a Sigma rule.")
	}
	if !utf8.Valid(b) {
		return "", tvilling.Errorf(tvilling.InvalidArgument, "The rule is not valid UTF-8.")
	}
	return string(b), nil
}

// ruleError is a mistake in the text of a rule. Line is counted from 1, 0 if
// it is not known.
type ruleError struct {
	Line    int    `json:"line"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// checkRule is POST detections/check: tells all that is wrong with a rule, or
// what it would be. The answer is 200 either way.
func (h *Handler) checkRule(c *rest.Call) error {
	text, err := rule(c)
	if err != nil {
		return err
	}
	out := struct {
		OK     bool        `json:"ok"`
		Rules  []infoJSON  `json:"rules"`
		Errors []ruleError `json:"errors"`
	}{Rules: []infoJSON{}, Errors: []ruleError{}}
	info, err := h.opt.Detections.Check(text)
	if err != nil {
		if out.Errors, err = ruleErrors(err); err != nil {
			return err
		}
		return c.Answer(out, "")
	}
	said := toInfo(info)
	said.Text = ""
	out.OK, out.Rules = true, append(out.Rules, said)
	return c.Answer(out, "")
}

// ruleErrors lists what is wrong with a rule; an error that is not about the
// rule is returned.
func ruleErrors(err error) ([]ruleError, error) {
	var list []ruleError
	if problems, ok := errors.AsType[sigma.Problems](err); ok {
		for _, p := range problems {
			list = append(list, ruleError{p.Line, p.Path, p.Message})
		}
		return list, nil
	}
	switch tvilling.CodeOf(err) {
	case tvilling.InvalidArgument, tvilling.TooLarge, tvilling.Unsupported:
	default:
		return nil, err
	}
	e, _ := errors.AsType[*tvilling.Error](err)
	one := ruleError{Path: e.Path, Message: e.Message}
	// Some errors have their line in the path.
	if n, scanErr := fmt.Sscanf(e.Path, "line %d", &one.Line); scanErr == nil && n == 1 {
		one.Path = strings.TrimPrefix(strings.TrimPrefix(e.Path, fmt.Sprintf("line %d", one.Line)), ", ")
	}
	return append(list, one), nil
}

// getRule is GET detections/rules/{name}: the text as it was put.
func (h *Handler) getRule(c *rest.Call) error {
	text, err := h.opt.Detections.Rule(c.Params["name"])
	if err != nil {
		return err
	}
	return c.Text(ruleType, text)
}

// putRule is PUT detections/rules/{name}: in force when it is answered.
func (h *Handler) putRule(c *rest.Call) error {
	text, err := rule(c)
	if err != nil {
		return err
	}
	d, err := h.opt.Detections.PutRule(c.Context(), c.Params["name"], text, c.Who.Actor())
	return answerDetection(c, d, err)
}

// deleteRule is DELETE detections/rules/{name}.
func (h *Handler) deleteRule(c *rest.Call) error {
	if err := h.opt.Detections.DeleteRule(c.Context(), c.Params["name"], c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}
