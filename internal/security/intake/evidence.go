package intake

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
)

const (
	// maxOpen bounds the alerts that are open for one device at a time; what
	// comes on top folds into one alert for its type.
	maxOpen = 200
	// otherCauses is the cause of that alert.
	otherCauses = "(other causes)"
	// maxValue bounds a value that stays with an alert as evidence.
	maxValue = 1 << 10
	// maxItem bounds the item that stays with an alert.
	maxItem = 4 << 10
)

// raise turns a finding into an alert, or into more of one.
func raise(tx *ledger.Tx, d *ledger.Device, m *event.Message, f detect.Found) error {
	key := ledger.Key{Device: d.ID, Type: f.Type, Cause: f.Cause}
	open := tx.Fresh(d.ID)
	for _, n := range d.Alerts {
		open += int(n)
	}
	if open >= maxOpen {
		a, err := tx.Newest(key)
		if err != nil {
			return err
		}
		if a == nil || !a.Status.Open() {
			key.Cause = otherCauses
		}
	}
	ev := ledger.Evidence{Time: f.Time, Received: tx.Now(), RuleVersion: f.Version, Hits: max(1, f.Hits), Matched: cut(f.Matched)}
	if m != nil {
		ev.Sequence, ev.Received = m.Sequence, m.Received
	}
	if f.Event != nil {
		ev.Event, ev.Name = f.Event.ID, f.Event.Name
		if f.Item >= 0 && f.Item < len(f.Event.Items) {
			ev.Item = item(f.Event.Items[f.Item])
		}
	}
	_, err := alert.Raise(tx, alert.Raised{
		Key: key, Title: f.Title, Severity: max(f.Severity, f.Least), Rule: f.Info.ID, RuleVersion: f.Version,
		Hits: ev.Hits, Time: f.Time, Evidence: ev,
	})
	return err
}

// item returns the JSON of an item, its members cut where it is long.
func item(it event.Item) json.RawMessage {
	b := schema.AppendItem(nil, it)
	if len(b) <= maxItem {
		return b
	}
	var members map[string]any
	if json.Unmarshal(b, &members) != nil {
		return nil
	}
	shorten(members, maxValue)
	if b, err := json.Marshal(members); err == nil && len(b) <= 4*maxItem {
		return b
	}
	return nil
}

// shorten cuts the texts of a JSON value; lists and deeper objects have none
// in items but ExtraDetails.
func shorten(members map[string]any, limit int) {
	for name, v := range members {
		switch v := v.(type) {
		case string:
			members[name] = clip(v, limit)
		case map[string]any:
			shorten(v, limit/8)
		}
	}
}

func cut(list []ledger.Match) []ledger.Match {
	for i := range list {
		list[i].Value = clip(list[i].Value, maxValue)
		list[i].Pattern = clip(list[i].Pattern, maxValue)
	}
	return list
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
