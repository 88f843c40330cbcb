package start

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

// TestSnippets: each client has its program, in which nothing is left to fill in.
func TestSnippets(t *testing.T) {
	t.Parallel()
	for _, s := range snippets {
		got, err := snippetOf(s.Key)
		if err != nil || got.Name != s.Name {
			t.Errorf("%s: %v, %v", s.Key, got.Name, err)
		}
		f := s.filled("hub.example.com", 8883, "pump-1")
		if left := regexp.MustCompile(`\b(HOST|PORT|DEVICE)\b`).FindString(f.Code); left != "" {
			t.Errorf("%s: %s is left over in\n%s", s.Key, left, f.Code)
		}
	}
	if _, err := snippetOf("cobol"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("an unknown client: %v", err)
	}
}

// TestSnippetIsOneCommand: whatever a device is called, a shell takes its id as
// it is.
func TestSnippetIsOneCommand(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal("the lines are tried with a shell, and there is none")
	}
	s, err := snippetOf("mosquitto")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"pump-1", "a'b", "$(id)", "a#!*$+b"} {
		code := s.filled("hub", 8883, id).Code
		out, err := exec.CommandContext(t.Context(), sh, "-c", `mosquitto_pub() { for a in "$@"; do echo "$a"; done; }; `+code).Output()
		if err != nil {
			t.Errorf("%s: %v\n%s", id, err, code)
		}
		for _, want := range []string{"\n" + id + "\n", "\nhub/" + id + "/?api-version=2021-04-12\n", "\ndevices/" + id + "/messages/events/\n"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: the command has no argument %q:\n%s", id, want, out)
			}
		}
	}
}

// TestAttacks: those that the hub can take as messages alone, the one that is
// proposed among them.
func TestAttacks(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, a := range attacks() {
		names[a.Name] = true
	}
	if !names["reverse-shell"] || names["expired-token"] {
		t.Errorf("the attacks are %v", names)
	}
}
