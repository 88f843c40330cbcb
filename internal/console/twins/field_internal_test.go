package twins

import (
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestEveryPropertyHasAField: the form is made from the schema, so that what is
// added there is in it: with a group, a name for people and a control.
func TestEveryPropertyHasAField(t *testing.T) {
	byField := map[string]*field{}
	for _, f := range fieldsOf([]byte("{}"), []byte("{}")) {
		byField[f.Field()] = f
		if f.Group == "" || f.Label == "" || f.Hint == "" || groupNotes[f.Group] == "" {
			t.Errorf("%+v is not described", f)
		}
		if f.Text != f.Default || f.Changed() || !f.Usual() {
			t.Errorf("%s begins as %q, its default is %q", f.Property, f.Text, f.Default)
		}
		if len(f.Options) > 0 && !slices.Contains(f.Options, f.Default) {
			t.Errorf("%s cannot be chosen as %q", f.Property, f.Default)
		}
	}
	n := 0
	for _, p := range agentconfig.Properties() {
		n++
		if byField[p.Name] == nil {
			t.Errorf("%s has no field", p.Name)
		}
	}
	for _, p := range agentconfig.ExtensionProperties() {
		n++
		if byField[agentconfig.ExtensionObject+"."+p.Name] == nil {
			t.Errorf("%s has no field", p.Name)
		}
	}
	if n != len(byField) {
		t.Errorf("%d fields for %d properties", len(byField), n)
	}
}

func TestLabelOfANewProperty(t *testing.T) {
	for name, want := range map[string]string{
		"someNewProperty": "Some new property", "eventPriorityLogin": "Login", "aggregationEnabledLogin": "Aggregate Login", agentconfig.SnapshotFrequency: "Take a snapshot every",
	} {
		if got := label(name); got != want {
			t.Errorf("%s is called %q, want %q", name, got, want)
		}
	}
}

func TestMeaning(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "never", 7 * time.Minute: "7 minutes", 25*time.Hour + time.Minute: "1 day 1 hour 1 minute", 1500 * time.Millisecond: "1.5 s",
	} {
		if got := plainly(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := meaning(agentconfig.Size, "2560000"); got != "2.44 MiB" {
		t.Errorf("a size is %q", got)
	}
	if got := meaning(agentconfig.Duration, "often"); got != "" {
		t.Errorf("no duration is %q", got)
	}
}
