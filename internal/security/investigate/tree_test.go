package investigate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

func child(pid, parent int, line string) string {
	return fmt.Sprintf(`[{"Executable":"/bin/sh","CommandLine":%q,"UserId":"0","ProcessId":%d,"ParentProcessId":%d}]`, line, pid, parent)
}

func TestTree(t *testing.T) {
	t.Parallel()
	s := new(store)
	s.add("d", "ProcessCreate", child(10, 1, "sshd"))
	s.add("d", "ProcessCreate", child(11, 10, strings.Repeat("x", 9000)))
	s.add("other", "ProcessCreate", child(12, 10, "elsewhere"))
	s.add("d", "Login", `[{"UserName":"root","Result":"Fail","Executable":"sshd"}]`)
	s.add("d", "ProcessTerminate", `[{"Executable":"/bin/sh","ProcessId":11,"ExitStatus":3}]`)
	s.fail = map[uint64]error{4: damaged()}
	r := investigate.NewReader(descending(s))
	sum, err := r.Summary(t.Context(), investigate.Processtree, investigate.Scope{Device: "d"}, never)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := sum.Groups.([]investigate.Process)
	if !ok || len(list) != 3 || sum.Events != 3 || sum.Damaged != 1 || !sum.Complete {
		t.Fatalf("got %+v", sum)
	}
	if p := list[0]; p.PID != 1 || p.Parent != -1 || !p.Started.IsZero() {
		t.Errorf("the parent that was there before: %+v", p)
	}
	p := list[2]
	if p.Parent != 1 || p.Depth != 2 || p.ExitStatus == nil || *p.ExitStatus != 3 || !p.Ended.After(p.Started) {
		t.Errorf("got %+v", p)
	}
	if len(p.CommandLine) > 600 || !strings.Contains(p.CommandLine, "sha256") {
		t.Errorf("a long command line is not cut: %d bytes", len(p.CommandLine))
	}
	if _, err := r.Tree(t.Context(), investigate.Scope{}, never); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("no device: %v", err)
	}
}

// TestTreeIsOfTheNewest: what a bound leaves out is the oldest, and said.
func TestTreeIsOfTheNewest(t *testing.T) {
	t.Parallel()
	s := new(store)
	for i := range 10 {
		s.add("d", "ProcessCreate", child(100+i, 0, "x"))
	}
	looked := 0
	tree, err := investigate.NewReader(descending(s)).Tree(t.Context(), investigate.Scope{Device: "d"}, func() bool { looked++; return looked == 3 })
	if err != nil {
		t.Fatal(err)
	}
	if tree.Complete || tree.Forest.Nodes != 3 || tree.Forest.Roots[0].PID != 107 || !tree.Since.Equal(tree.Forest.Roots[0].First()) {
		t.Errorf("got %+v, first %+v", tree, tree.Forest.Roots[0])
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	s := new(store)
	connection := func(direction, remote, remotePort, localPort string, hits int) string {
		return fmt.Sprintf(`[{"Direction":%q,"Protocol":"tcp","RemoteAddress":%q,"RemotePort":%q,"LocalPort":%q,"Executable":"/bin/sh","ExtraDetails":{"HitCount":"%d"}}]`, direction, remote, remotePort, localPort, hits)
	}
	s.add("d", "ConnectionCreate", connection("Out", "203.0.113.77", "4444", "50001", 2))
	s.add("e", "ConnectionCreate", connection("Out", "203.0.113.77", "4444", "50002", 3))
	s.add("d", "ConnectionCreate", connection("In", "198.51.100.4", "50003", "22", 1))
	s.add("d", "ConnectionCreate", connection("In", "198.51.100.4", "50004", "22", 1))
	sum, err := investigate.NewReader(s.events).Summary(t.Context(), investigate.Connections, investigate.Scope{From: begin, To: begin.Add(48 * time.Minute)}, never)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := sum.Groups.([]*investigate.ConnectionGroup)
	if !ok || len(list) != 2 {
		t.Fatalf("got %+v", sum.Groups)
	}
	in, out := list[0], list[1]
	if in.Direction != "In" || in.Port != "22" || in.Count != 2 || in.Protocol != "TCP" {
		t.Errorf("in: %+v", in)
	}
	if out.Port != "4444" || out.Count != 5 || !slices.Equal(out.Devices.Values, []string{"d", "e"}) || !slices.Equal(out.Programs.Values, []string{"/bin/sh"}) {
		t.Errorf("out: %+v", out)
	}
	if want := []int64{0, 2, 3, 0}; !slices.Equal(out.Activity[:4], want) {
		t.Errorf("when: %v, want %v", out.Activity[:4], want)
	}
	sum, err = investigate.NewReader(s.events).Summary(t.Context(), investigate.Connections, investigate.Scope{}, never)
	if err != nil {
		t.Fatal(err)
	}
	if list := sum.Groups.([]*investigate.ConnectionGroup); list[0].Activity != nil {
		t.Errorf("without a range: %v", list[0].Activity)
	}
}
