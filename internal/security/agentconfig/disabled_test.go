package agentconfig_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

func TestDisabledChecks(t *testing.T) {
	t.Parallel()
	many := `["x` + strings.Repeat(`","x`, 100) + `"]`
	for _, c := range []struct {
		desired, reported string
		kind              agentconfig.ProblemKind
	}{
		{`null`, `[]`, ""},
		{`[]`, `[]`, ""},
		{`["ssh", "CCE-4387-7", "ssh", "<&>"]`, `["\u003c\u0026\u003e","CCE-4387-7","ssh"]`, ""},
		{`"ssh"`, `[]`, agentconfig.TypeMismatch},
		{`[1]`, `[]`, agentconfig.TypeMismatch},
		{`[""]`, `[]`, agentconfig.OutOfRange},
		{`["` + strings.Repeat("x", 101) + `"]`, `[]`, agentconfig.OutOfRange},
		{many, `[]`, agentconfig.OutOfRange},
	} {
		e, problems := agentconfig.ReadExtension([]byte(`{"disabledChecks":` + c.desired + `}`))
		if d := cmp.Diff(c.reported, string(e.Members()["disabledChecks"])); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.desired, d)
		}
		if got := len(problems); c.kind == "" && got != 0 || c.kind != "" && (got != 1 || problems[0].Kind != c.kind) {
			t.Errorf("%s: problems %v; want %q", c.desired, problems, c.kind)
		}
	}
}
