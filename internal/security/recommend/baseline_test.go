package recommend_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

func TestBaseline(t *testing.T) {
	for _, c := range []struct {
		name  string
		items []event.Item
		want  string
	}{
		{"all passed", nil, ""},
		{"what passed, and what makes no sense, is no fault", []event.Item{
			&event.OSBaseline{CceID: "1", Result: "Pass", Severity: "Critical"}, &event.OSBaseline{CceID: "2", Result: "Skip"},
		}, ""},
		{"the gravest come first, whatever the order", []event.Item{
			&event.OSBaseline{CceID: "b", Description: "B.", Result: "Fail", Error: "is 1", Severity: "Warning"},
			&event.OSBaseline{CceID: "c", Description: "C.", Result: "Pass", Severity: "Critical"},
			&event.OSBaseline{CceID: "a", Description: "A.", Result: "fail", Severity: "Informational"},
			&event.OSBaseline{CceID: "d", Description: "D.", Result: "Err", Error: "cannot read", Severity: "Important"},
		}, `{"count":3,"critical":0,"important":1,"warning":1,"informational":1,"notMade":1,"checks":[
			{"id":"d","severity":"Important","result":"Err","title":"D.","found":"cannot read"},
			{"id":"b","severity":"Warning","result":"Fail","title":"B.","found":"is 1"},
			{"id":"a","severity":"Informational","result":"fail","title":"A."}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.send(event.OSBaselineKind, time.Now(), c.items...)
			b.active(recommend.Baseline, c.want != "")
			if c.want != "" {
				b.details(recommend.Baseline, strings.NewReplacer("\n", "", "\t", "").Replace(c.want))
			}
		})
	}
}

func TestBaselineIsMended(t *testing.T) {
	b, at := newBench(t), time.Now()
	fault := &event.OSBaseline{CceID: "a", Description: "A.", Result: "Fail", Severity: "Warning"}
	b.send(event.OSBaselineKind, at, fault)
	b.same(func() { b.send(event.OSBaselineKind, at.Add(time.Hour), fault) })
	b.same(func() { b.send(event.OSBaselineKind, at.Add(-time.Hour)) }) // it came late
	b.send(event.OSBaselineKind, at.Add(2*time.Hour))
	b.active(recommend.Baseline, false)
}

func TestBaselineIsBounded(t *testing.T) {
	b := newBench(t)
	var items []event.Item
	for i := range 500 {
		items = append(items, &event.OSBaseline{CceID: fmt.Sprint(i), Result: "Fail", Error: strings.Repeat("ä", 1000)})
	}
	b.send(event.OSBaselineKind, time.Now(), items...)
	var got struct {
		Count  int
		Checks []struct{ Found string }
	}
	if err := json.Unmarshal(b.get(recommend.Baseline).Details, &got); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(got.Checks[0].Found)); got.Count != 500 || len(got.Checks) != 100 || n != 300 {
		t.Errorf("%d counted, %d named, %d characters found; want 500, 100, 300", got.Count, len(got.Checks), n)
	}
}

// What was remembered before baselines were is not forgotten.
func TestMemoryOfFormerForm(t *testing.T) {
	b, at := newBench(t), time.Now()
	b.do(func(tx *ledger.Tx) error {
		d, err := tx.Device(dev)
		if err != nil {
			return err
		}
		former := []byte{1, 0}
		for _, v := range []int64{at.Unix(), 0, 0, 0, 0} { // ports, firewall, two digests, changed
			former = binary.AppendVarint(former, v)
		}
		d.Memory = map[string][]byte{"recommend": former}
		tx.PutDevice(d)
		return nil
	})
	open := &event.ListeningPorts{Protocol: "tcp", LocalAddress: "0.0.0.0", LocalPort: "22"}
	b.send(event.ListeningPortsKind, at.Add(-time.Hour), open)
	b.active(recommend.OpenPorts, false) // a newer one is remembered
	b.send(event.OSBaselineKind, at.Add(-time.Hour), &event.OSBaseline{CceID: "a", Result: "Fail"})
	b.active(recommend.Baseline, true)
	b.send(event.ListeningPortsKind, at.Add(time.Hour), open)
	b.active(recommend.OpenPorts, true)
}
