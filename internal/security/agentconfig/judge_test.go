package agentconfig_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/hub/twin/compare"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

func TestJudge(t *testing.T) {
	object := func(s string) []byte { return []byte(`{"` + agentconfig.Object + `":` + s + `}`) }
	all := agentconfig.Default()
	whole := string(all.JSON())
	for _, c := range []struct {
		name, desired, reported, property string
		want                              compare.Agreement
		why                               bool
	}{
		{"written in another way", `{"snapshotFrequency":{"value":"PT780M"}}`, whole, "snapshotFrequency", compare.Equal, false},
		{"not desired, the default", `{}`, whole, "snapshotFrequency", compare.Default, false},
		{"not desired, another", `{}`, `{"snapshotFrequency":{"value":"PT1H"}}`, "snapshotFrequency", compare.Differs, true},
		{"not taken", `{"snapshotFrequency":{"value":"PT1H"}}`, whole, "snapshotFrequency", compare.Differs, true},
		{"no report at all", `{"snapshotFrequency":{"value":"PT1H"}}`, `null`, "snapshotFrequency", compare.NotReported, true},
	} {
		a, why, ok := agentconfig.Judge(object(c.desired), object(c.reported))([]string{agentconfig.Object, c.property, "value"})
		if !ok || a != c.want || (why != "") != c.why {
			t.Errorf("%s: %s, %q, %t, want %s", c.name, a, why, ok, c.want)
		}
	}
	judge := agentconfig.Judge(object(`{}`), object(whole))
	for _, path := range [][]string{{"other", "snapshotFrequency"}, {agentconfig.Object}, {agentconfig.Object, "unknown", "value"}} {
		if _, _, ok := judge(path); ok {
			t.Errorf("%v is judged", path)
		}
	}
}
