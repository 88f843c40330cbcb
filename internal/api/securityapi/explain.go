package securityapi

import (
	"encoding/json"
	"time"

	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// explanationJSON says why there is an alert and what may be done.
type explanationJSON struct {
	Alert json.RawMessage `json:"alert"`
	// Sentences tell all of it in plain words.
	Sentences []string `json:"sentences"`
	// Rule is the detection as it is now; absent if there is none any more.
	Rule *ruleJSON `json:"rule,omitempty"`
	// Changed says that it has another version now than when it raised the alert.
	Changed      bool              `json:"changed"`
	Observations []observationJSON `json:"observations"`
	History      []ledger.Step     `json:"history"`
	Remediation  []string          `json:"remediation"`
	Techniques   []techniqueJSON   `json:"techniques"`
}

type ruleJSON struct {
	ID             string   `json:"id"`
	Title          string   `json:"title"`
	Description    string   `json:"description"`
	Severity       string   `json:"severity"`
	Version        string   `json:"version"`
	Source         string   `json:"source"`
	FalsePositives []string `json:"falsePositives"`
}

type observationJSON struct {
	ledger.Evidence
	// Clock says what to think of the time, Delay how many seconds after it the
	// hub received the observation.
	Clock    alert.Clock `json:"clock"`
	Delay    int64       `json:"delaySeconds"`
	Sentence string      `json:"sentence"`
}

type techniqueJSON struct {
	ID   string `json:"id"`
	Link string `json:"link"`
}

// explainAlert is GET alerts/{id}/explain.
func (h *Handler) explainAlert(c *rest.Call) error {
	e, err := h.opt.Alerts.Explain(c.Context(), c.Params["id"])
	if err != nil {
		return err
	}
	out := explanationJSON{
		Sentences: some(e.Sentences), Changed: e.Changed, Observations: []observationJSON{}, History: some(e.History),
		Remediation: some(e.Remediation), Techniques: []techniqueJSON{},
	}
	if out.Alert, err = ledger.EncodeAlert(e.Alert); err != nil {
		return err
	}
	if r := e.Rule; r != nil {
		out.Rule = &ruleJSON{
			ID: r.ID, Title: r.Title, Description: r.Description, Severity: r.Severity.String(), Version: r.Version, Source: r.Source,
			FalsePositives: some(r.FalsePositives),
		}
	}
	for _, o := range e.Observations {
		out.Observations = append(out.Observations, observationJSON{o.Evidence, o.Clock, int64(o.Delay / time.Second), o.Sentence})
	}
	for _, t := range e.Techniques {
		out.Techniques = append(out.Techniques, techniqueJSON(t))
	}
	return c.Answer(out, alert.ETag(e.Alert))
}
