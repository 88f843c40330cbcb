package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// DefaultRenewal is how long after its last change a resolved alert is
// reopened by new evidence; later evidence raises a new alert.
const DefaultRenewal = 7 * 24 * time.Hour

const (
	// detection is the actor of what observations do.
	detection = "hub:detection"
	// deviceDeleted is the reason of alerts that the ledger resolves when their
	// device is deleted: a device of the same name is another one.
	deviceDeleted = "deviceDeleted"
)

// Raised is an observation that a detection takes for what it looks for.
type Raised struct {
	ledger.Key
	Title    string
	Severity ledger.Severity
	// Rule and RuleVersion name the detection.
	Rule, RuleVersion string
	// Hits is how many observations it stands for, at least 1.
	Hits int64
	// Time is when it happened; the zero time is now.
	Time     time.Time
	Evidence ledger.Evidence
	// Renewal is the span after which evidence raises a new alert instead of
	// reopening a resolved one; zero means [DefaultRenewal].
	Renewal time.Duration
}

// Raise makes an observation a new alert, or part of one, as the package's
// comment says, and returns that. However many observations of a key a
// transaction raises, it writes the alert once.
func Raise(tx *ledger.Tx, r Raised) (*ledger.Alert, error) {
	if r.Device == "" || r.Type == "" || r.Severity >= ledger.Severities {
		return nil, &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "raise alert", Subject: string(r.Device),
			Message: "An alert needs a device, a type and a severity.",
		}
	}
	r.Hits = max(1, r.Hits)
	if r.Time.IsZero() {
		r.Time = tx.Now()
	}
	if r.Evidence.Hits == 0 {
		r.Evidence.Hits = r.Hits
	}
	if r.Evidence.RuleVersion == "" {
		r.Evidence.RuleVersion = r.RuleVersion
	}
	if r.Evidence.Time.IsZero() {
		r.Evidence.Time = r.Time
	}
	if r.Renewal <= 0 {
		r.Renewal = DefaultRenewal
	}
	a, err := tx.Newest(r.Key)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return create(tx, &r)
	}
	switch effectOf(a, tx.Now(), r.Renewal) {
	case effectNew:
		return create(tx, &r)
	case effectReopen:
		step := ledger.Step{Actor: detection, Action: "reopened", From: a.Status, To: ledger.New}
		a.Status, a.Reason, a.DismissedUntil = ledger.New, "", time.Time{}
		a.Reopened++
		a.Title, a.Rule, a.RuleVersion = r.Title, r.Rule, r.RuleVersion
		add(a, &r)
		return a, tx.PutAlert(a, step)
	case effectSilent:
		add(a, &r)
		return a, tx.PutAlert(a, ledger.Step{})
	default:
		add(a, &r)
		return a, tx.PutAlert(a, ledger.Step{Actor: detection, Action: "folded"})
	}
}

// effect is what an observation does to the newest alert of its key.
type effect int

const (
	effectFold effect = iota
	effectReopen
	effectSilent
	effectNew
)

// effectOf returns what new evidence does to an alert at a time.
func effectOf(a *ledger.Alert, now time.Time, renewal time.Duration) effect {
	switch {
	case a.Status.Open():
		return effectFold
	case a.Status == ledger.Dismissed:
		if a.DismissedUntil.IsZero() || now.Before(a.DismissedUntil) {
			return effectSilent
		}
		return effectReopen
	case a.Reason == deviceDeleted, now.Sub(a.Updated) > renewal:
		return effectNew
	default:
		return effectReopen
	}
}

func create(tx *ledger.Tx, r *Raised) (*ledger.Alert, error) {
	a := &ledger.Alert{
		Key: r.Key, Title: r.Title, Severity: r.Severity, Rule: r.Rule, RuleVersion: r.RuleVersion,
		Status: ledger.New, First: r.Time, Last: r.Time,
	}
	add(a, r)
	for again := uint64(0); ; again++ {
		a.ID = newID(r, again)
		// Evidence of time alone may be the same once more.
		other, err := tx.Alert(a.ID)
		if err != nil {
			return nil, err
		}
		if other == nil {
			break
		}
	}
	return a, tx.PutAlert(a, ledger.Step{Actor: detection, Action: "raised", To: ledger.New})
}

// add makes an observation part of an alert.
func add(a *ledger.Alert, r *Raised) {
	if a.Count > math.MaxInt64-r.Hits {
		a.Count = math.MaxInt64
	} else {
		a.Count += r.Hits
	}
	a.Severity = max(a.Severity, r.Severity)
	if r.Time.Before(a.First) {
		a.First = r.Time
	}
	if r.Time.After(a.Last) {
		a.Last = r.Time
	}
	if len(a.Evidence) < ledger.MaxEvidence {
		a.Evidence = append(a.Evidence, r.Evidence)
		return
	}
	// The oldest of the newest half makes room.
	const half = ledger.MaxEvidence / 2
	copy(a.Evidence[half:], a.Evidence[half+1:])
	a.Evidence[ledger.MaxEvidence-1] = r.Evidence
}

// newID returns the id of an alert: a GUID (version 8, RFC 9562) made of its
// key and its first evidence, so that what is raised anew after a crash has
// the id it would have had.
func newID(r *Raised, again uint64) string {
	h := sha256.New()
	for _, s := range []string{string(r.Device), r.Type, r.Cause, r.Evidence.Event} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	for _, n := range []uint64{r.Evidence.Sequence, uint64(r.Evidence.Time.Unix()), uint64(r.Evidence.Time.Nanosecond()), again} {
		h.Write(binary.AppendUvarint(nil, n))
	}
	b := h.Sum(nil)[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
