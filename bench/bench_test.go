package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestDocumentsHaveTheirSize(t *testing.T) {
	for i := range 2000 {
		d := makeDocument(i)
		if got := len(d.whole()); got != documentSize {
			t.Fatalf("document %d has %d bytes, want %d", i, got, documentSize)
		}
		if !json.Valid(d.whole()) {
			t.Fatalf("document %d is not JSON: %s", i, d.whole())
		}
		if _, err := makeTwin(tvilling.Device(deviceID(i)), d, time.Unix(1, 0)); err != nil {
			t.Fatalf("document %d is no twin: %v", i, err)
		}
	}
}

func TestPatchesAreTaken(t *testing.T) {
	for _, pick := range []uint64{0, 1, 1<<63 + 12345, 1<<64 - 1} {
		text := appendPatch(nil, pick)
		if _, err := doc.Parse(text, doc.Reported); err != nil {
			t.Errorf("patch %s: %v", text, err)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		f    Figure
		want string
	}{
		{Figure{Value: 5}, ""},
		{Figure{Value: 5, Reach: 4}, "reached"},
		{Figure{Value: 5, Reach: 6}, "missed"},
		{Figure{Value: 5, Reach: 4, Stretch: 5}, "stretch"},
		{Figure{Value: 5, Reach: 6, Less: true}, "reached"},
		{Figure{Value: 5, Reach: 4, Less: true}, "missed"},
		{Figure{Value: 5, Reach: 6, Stretch: 5, Less: true}, "stretch"},
	} {
		if got := c.f.ok(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1.2345: "1.23", 99.94: "99.9", 123.4: "123", 1000: "1,000", 1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
}
