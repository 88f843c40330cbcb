package detection

import (
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type firewallOpened struct{ info *detect.Info }

// FirewallOpened finds devices whose firewall refused something before and
// refuses nothing any more.
func FirewallOpened() detect.Stateful {
	return &firewallOpened{&detect.Info{
		ID: "firewall-opened", Type: "IoT_DisableFirewall", Title: "Firewall lost all rules that deny", Severity: ledger.High,
		Description: "The newest snapshot of the device's firewall has no enabled rule or policy that denies anything; the one before had. The firewall was switched off or emptied.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm with the device's administrator that the firewall was opened on purpose.",
			"If not, restore its rules, and look for what was done on the device between the two snapshots.",
		},
		Techniques: []string{"T1562.004"}, Tactics: []string{"Defense Evasion"},
		FalsePositives: []string{"A firewall that is being replaced by another that the agent does not see."},
	}}
}

func (d *firewallOpened) Info() *detect.Info { return d.info }

func (d *firewallOpened) Kinds() []event.Kind { return []event.Kind{event.FirewallConfigurationKind} }

const firewallForm = 1

func (d *firewallOpened) Observe(s detect.Scope, e *event.Event, _ detect.Values) {
	if len(e.Items) == 0 && !e.Empty {
		return // nothing readable is not the same as nothing there
	}
	var denies int64
	for _, it := range parts(s, e) {
		if f, ok := it.(*event.FirewallConfiguration); ok && f.Enabled && refuses(f.Action) {
			denies++
		}
	}
	now := e.Time.Unix()
	r := open(s.Memory(), firewallForm)
	newest, had := r.varint(), int64(min(r.uvarint(), 1<<20))
	if !r.bad && late(newest, now) {
		return
	}
	if !r.bad && newest == now && had == denies {
		return
	}
	b := binary.AppendVarint([]byte{firewallForm}, now)
	s.Remember(binary.AppendUvarint(b, uint64(denies)))
	if r.bad || had == 0 || denies > 0 {
		return
	}
	item := 0
	if len(e.Items) == 0 {
		item = -1
	}
	s.Report(detect.Finding{
		Hits: 1, Time: e.Time, Event: e, Item: item,
		Matched: []ledger.Match{
			{Field: "Action", Value: "0 rules deny", Pattern: strconv.FormatInt(had, 10) + " rules denied in the snapshot before"},
		},
	})
}

func refuses(action string) bool {
	return strings.EqualFold(action, "Deny") || strings.EqualFold(action, "Drop") || strings.EqualFold(action, "Reject") || strings.EqualFold(action, "Block")
}
