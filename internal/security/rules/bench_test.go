package rules_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// BenchmarkOrdinary has all rules look at ordinary events, one an operation.
func BenchmarkOrdinary(b *testing.B) {
	e, device := engine(b), &ledger.Device{ID: "d"}
	var messages []*event.Message
	for i, r := range ordinary(b) {
		kind := event.KindOf(r.Event)
		items, err := schema.Items(kind, fmt.Appendf(nil, "[%s]", r.Item))
		if err != nil {
			b.Fatal(err)
		}
		messages = append(messages, &event.Message{Events: []event.Event{{ID: fmt.Sprint(i), Kind: kind, Items: items}}})
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := e.Observe(device, messages[i%len(messages)], nil, time.Time{}, func(detect.Found) error { return nil }); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
