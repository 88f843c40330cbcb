package posture

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// State is how a device stands, in a word.
type State string

// The states.
const (
	Healthy   State = "healthy"
	AtRisk    State = "atRisk"
	Unhealthy State = "unhealthy"
	Unknown   State = "unknown"
)

// Silence is how long a device may send nothing and still be known, by default.
const Silence = 72 * time.Hour

const (
	// unhealthyBelow is the score that alerts and recommendations must leave.
	unhealthyBelow = 40
	// maxVersion bounds the agent's version, in bytes.
	maxVersion = 64
	// whole is a score of 100, in the steps that it is computed in.
	whole = 100 * step
	step  = 10_000
)

// What one alert, or recommendation, of a severity leaves of a score, in thousandths.
var (
	alertLeaves          = [ledger.Severities]int64{ledger.Informational: 990, ledger.Low: 950, ledger.Medium: 800, ledger.High: 500}
	recommendationLeaves = [ledger.Severities]int64{ledger.Informational: 1000, ledger.Low: 980, ledger.Medium: 920, ledger.High: 800}
)

const unheardLeaves = 500

// Input is what a judgement takes besides the record of the device.
type Input struct {
	Now time.Time
	// Started is when the hub began to listen: it has heard nobody before.
	Started time.Time
	// Silence is how long a device may send nothing; [Silence] if zero.
	Silence time.Duration
}

// Parts are the points that each side takes from the score; zero or less.
type Parts struct {
	Alerts          int `json:"alerts"`
	Recommendations int `json:"recommendations"`
	Agent           int `json:"agent"`
}

// Counts are numbers by severity.
type Counts struct {
	High          int32 `json:"high"`
	Medium        int32 `json:"medium"`
	Low           int32 `json:"low"`
	Informational int32 `json:"informational"`
}

func counts(n [ledger.Severities]int32) Counts {
	return Counts{High: n[ledger.High], Medium: n[ledger.Medium], Low: n[ledger.Low], Informational: n[ledger.Informational]}
}

// Agent is what is known of a device's security agent.
type Agent struct {
	Version string `json:"version"`
}

// Posture is how a device stands, and why. When the device was last heard is
// not of it: a heartbeat is no reason to write a twin.
type Posture struct {
	State State `json:"state"`
	// Score is 0 to 100: 100 and all Parts.
	Score int   `json:"score"`
	Parts Parts `json:"parts"`
	// Alerts are the open ones, Recommendations the active ones.
	Alerts          Counts `json:"alerts"`
	Recommendations Counts `json:"recommendations"`
	// Agent is nil until its version is known.
	Agent *Agent `json:"agent,omitempty"`
	// Configuration is "inSync", "differs" or "notReported", "" if not known.
	Configuration string `json:"configuration,omitempty"`

	heard heard
	limit time.Duration
}

type heard uint8

const (
	lately heard = iota
	never
	longAgo
)

// Of judges a device.
func Of(d *ledger.Device, in Input) Posture {
	p := Posture{
		Alerts: counts(d.Alerts), Recommendations: counts(d.Recommendations), Configuration: d.Sync,
		heard: hears(d, in), limit: silence(in),
	}
	if v := version(d.AgentVersion); v != "" {
		p.Agent = &Agent{Version: v}
	}
	score := int64(whole)
	take := func(f func()) int {
		before := score / step
		f()
		return int(score/step - before)
	}
	p.Parts.Alerts = take(func() { score = leave(score, d.Alerts, alertLeaves) })
	p.Parts.Recommendations = take(func() { score = leave(score, d.Recommendations, recommendationLeaves) })
	weak := score/step < unhealthyBelow
	p.Parts.Agent = take(func() {
		if p.heard != lately {
			score = score * unheardLeaves / 1000
		}
	})
	p.Score = int(score / step)
	switch {
	case d.Alerts[ledger.High] > 0 || weak:
		p.State = Unhealthy
	case p.heard != lately:
		p.State = Unknown
	case d.Alerts[ledger.Medium]+d.Alerts[ledger.Low] > 0, d.Recommendations[ledger.High]+d.Recommendations[ledger.Medium] > 0:
		p.State = AtRisk
	default:
		p.State = Healthy
	}
	return p
}

func silence(in Input) time.Duration {
	if in.Silence > 0 {
		return in.Silence
	}
	return Silence
}

func hears(d *ledger.Device, in Input) heard {
	if d.LastSeen.IsZero() {
		return never
	}
	from := d.LastSeen
	if in.Started.After(from) {
		from = in.Started
	}
	if in.Now.Sub(from) >= silence(in) {
		return longAgo
	}
	return lately
}

// leave applies what each of a number of things leaves, the severest first.
func leave(score int64, n [ledger.Severities]int32, leaves [ledger.Severities]int64) int64 {
	for s := int(ledger.Severities) - 1; s >= 0; s-- {
		if leaves[s] >= 1000 {
			continue
		}
		for range n[s] {
			if score == 0 {
				return 0
			}
			score = score * leaves[s] / 1000
		}
	}
	return score
}

// version cleans what an agent says of itself.
func version(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > maxVersion {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// JSON returns the posture as the twin has it. Equal postures have equal bytes.
func (p *Posture) JSON() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic("posture: " + err.Error()) // numbers and clean texts can be written
	}
	return b
}

// Why says how state and score come, a sentence each.
func (p *Posture) Why() []string {
	var list []string
	add := func(n int32, severity, one, many, rest string) {
		switch {
		case n == 1:
			list = append(list, "1 "+severity+" "+one+rest)
		case n > 1:
			list = append(list, strconv.Itoa(int(n))+" "+severity+" "+many+rest)
		}
	}
	add(p.Alerts.High, "high", "alert is open", "alerts are open", "; each takes half of the score, and one is enough for unhealthy.")
	add(p.Alerts.Medium, "medium", "alert is open", "alerts are open", "; each takes a fifth of the score.")
	add(p.Alerts.Low, "low", "alert is open", "alerts are open", "; each takes a twentieth of the score.")
	add(p.Alerts.Informational, "informational", "alert is open", "alerts are open", "; each takes a hundredth of the score.")
	add(p.Recommendations.High, "high", "recommendation is active", "recommendations are active", "; each takes a fifth of the score.")
	add(p.Recommendations.Medium, "medium", "recommendation is active", "recommendations are active", "; each takes 8 hundredths of the score.")
	add(p.Recommendations.Low, "low", "recommendation is active", "recommendations are active", "; each takes 2 hundredths of the score.")
	add(p.Recommendations.Informational, "informational", "recommendation is active", "recommendations are active", "; they do not count.")
	switch p.heard {
	case never:
		list = append(list, "The device has never sent a security message; what is not known takes half of the score.")
	case longAgo:
		list = append(list, "The device has sent no security message for "+duration(p.limit)+" or more; what is not known takes half of the score.")
	case lately:
	}
	switch p.Configuration {
	case "differs":
		list = append(list, "The agent reports another configuration than is desired.")
	case "notReported":
		list = append(list, "The agent has not reported its configuration.")
	}
	if p.State == Unhealthy && p.Alerts.High == 0 {
		list = append(list, "Alerts and recommendations together leave less than "+strconv.Itoa(unhealthyBelow)+" points, which is unhealthy.")
	}
	if len(list) == 0 {
		list = append(list, "No alert is open, no recommendation is active, and the device's agent is heard.")
	}
	return list
}

func duration(d time.Duration) string {
	if d%time.Hour == 0 {
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	}
	return d.String()
}
