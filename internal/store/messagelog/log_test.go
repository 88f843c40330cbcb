package messagelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/messagelog"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sample returns a message of the usual make.
func sample(device tvilling.DeviceID, size int) *tvilling.Message {
	return &tvilling.Message{
		From:     tvilling.Identity{Device: device, Module: tvilling.SecurityModule},
		Enqueued: start,
		System: []tvilling.Property{
			{Name: "iothub-interface-id", Value: tvilling.SecurityInterface},
			{Name: "content-type", Value: "application/json"},
			{Name: "message-id", Value: "0f8fad5b-d9cb-469f-a165-70867728950e"},
		},
		Properties: []tvilling.Property{{Name: "level", Value: "2"}, {Name: "flag", Null: true}},
		Body:       bytes.Repeat([]byte("b"), size),
	}
}

func at(device tvilling.DeviceID, size int, when time.Time) *tvilling.Message {
	m := sample(device, size)
	m.Enqueued = when
	return m
}

func mustOpen(t testing.TB, o messagelog.Options) *messagelog.Log {
	t.Helper()
	l, err := messagelog.Open(o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func mustAppend(t testing.TB, l *messagelog.Log, msgs ...*tvilling.Message) {
	t.Helper()
	if err := l.Append(t.Context(), msgs); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func read(t testing.TB, l *messagelog.Log, after uint64) []*tvilling.Message {
	t.Helper()
	var out []*tvilling.Message
	for m, err := range l.Read(t.Context(), after) {
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		out = append(out, m)
	}
	return out
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := messagelog.Open(messagelog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []*tvilling.Message{sample("a", 10), sample("b", 0), sample("c", 300000)}
	mustAppend(t, l, want[:2]...)
	mustAppend(t, l, want[2])
	mustAppend(t, l)
	for i, m := range want {
		if m.Sequence != uint64(i+1) {
			t.Errorf("message %d has sequence %d", i+1, m.Sequence)
		}
	}
	wholeBody := cmp.Comparer(bytes.Equal) // byte by byte takes seconds
	if diff := cmp.Diff(want, read(t, l, 0), wholeBody); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, messagelog.Options{Dir: dir})
	if l.First() != 1 || l.Head() != 3 {
		t.Errorf("First %d Head %d, want 1 and 3", l.First(), l.Head())
	}
	if diff := cmp.Diff(want[1:], read(t, l, 1), wholeBody); diff != "" {
		t.Errorf("Read after reopening (-want +got):\n%s", diff)
	}
}

func TestAppendAllOrNothing(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: fs})
	mustAppend(t, l, sample("kept", 5))

	refused := []*tvilling.Message{sample("no", 5), at("no", 5, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC))}
	if err := l.Append(t.Context(), refused); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("Append = %v, want code InvalidArgument", err)
	}
	fs.SetSpace(700)
	refused = []*tvilling.Message{sample("no", 600_000), sample("no", 600_000)}
	err := l.Append(t.Context(), refused)
	if tvilling.CodeOf(err) != tvilling.Unavailable || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Append on a full disk = %v, want code Unavailable for ENOSPC", err)
	}
	if refused[0].Sequence != 0 {
		t.Errorf("a refused message has sequence %d", refused[0].Sequence)
	}
	fs.SetSpace(-1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, []*tvilling.Message{sample("no", 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with a context that is done = %v", err)
	}
	mustAppend(t, l, sample("later", 5))
	var got []tvilling.DeviceID
	for _, m := range read(t, l, 0) {
		got = append(got, m.From.Device)
	}
	if want := []tvilling.DeviceID{"kept", "later"}; !slices.Equal(got, want) {
		t.Errorf("log holds %q, want %q", got, want)
	}
}

func TestReadGoesOnBehindDamage(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: fs})
	for i := range 5 {
		mustAppend(t, l, sample(tvilling.DeviceID(fmt.Sprint(i+1)), 20))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := fs.Files()[0]
	data := fs.Data(path)
	record := (len(data) - 32) / 5
	data[32+2*record+record/2] ^= 0x10
	fs.SetData(path, data)

	var logged strings.Builder
	l = mustOpen(t, messagelog.Options{Dir: "log", FS: fs, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if got := logged.String(); !strings.Contains(got, "damaged") || !strings.Contains(got, path) {
		t.Errorf("opening logs %q, want the damage and its file", got)
	}
	var got []string
	for m, err := range l.Read(t.Context(), 1) {
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt || !strings.Contains(err.Error(), path) {
				t.Errorf("Read yields %v, want code Corrupt and the file's name", err)
			}
			got = append(got, fmt.Sprintf("%d!", m.Sequence))
			continue
		}
		got = append(got, string(m.From.Device))
	}
	if want := []string{"2", "3!", "4", "5"}; !slices.Equal(got, want) {
		t.Errorf("Read yields %q, want %q", got, want)
	}
}

func TestReadEnds(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: faultfs.New()})
	for range 3 {
		mustAppend(t, l, sample("d", 20))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for m, err := range l.Read(ctx, 0) {
		if n++; n == 1 {
			cancel()
			continue
		}
		if !errors.Is(err, context.Canceled) || m != nil {
			t.Errorf("second yield = %v, %v, want no message and the context's error", m, err)
		}
	}
	if n != 2 {
		t.Errorf("Read yielded %d times, want 2", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for m, err := range l.Read(t.Context(), 0) {
		if tvilling.CodeOf(err) != tvilling.Unavailable || m != nil {
			t.Errorf("Read of a closed log yields %v, %v, want code Unavailable", m, err)
		}
	}
}

func TestRetainByAge(t *testing.T) {
	t.Parallel()
	var logged strings.Builder
	l := mustOpen(t, messagelog.Options{
		Dir: "log", FS: faultfs.New(), MaxAge: 80 * time.Minute,
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	// One message a minute; Retain every five.
	for i := range 200 {
		now := start.Add(time.Duration(i) * time.Minute)
		mustAppend(t, l, at("d", 10, now))
		if i%5 != 0 {
			continue
		}
		before := l.First()
		dropped, err := l.Retain(now)
		if err != nil {
			t.Fatalf("Retain: %v", err)
		}
		if got := int(l.First() - before); got != dropped {
			t.Errorf("Retain = %d, but %d are gone", dropped, got)
		}
		oldest := now.Sub(read(t, l, 0)[0].Enqueued)
		if most := 80*time.Minute + 10*time.Minute + 10*time.Minute; oldest > most {
			t.Fatalf("after %d minutes the oldest message has %v, want at most %v", i, oldest, most)
		}
		if i > 100 && oldest < 70*time.Minute {
			t.Fatalf("after %d minutes the oldest message has only %v", i, oldest)
		}
	}
	if l.Removed() != l.First()-1 || l.Removed() == 0 {
		t.Errorf("Removed = %d, First = %d", l.Removed(), l.First())
	}
	if !strings.Contains(logged.String(), "reason=age") {
		t.Errorf("log %q does not say what was removed", logged.String())
	}
	// A log that gets no more messages empties itself.
	late := start.Add(24 * time.Hour)
	if _, err := l.Retain(late); err != nil {
		t.Fatal(err)
	}
	if l.First() != 201 || l.Head() != 200 {
		t.Errorf("First %d Head %d of the emptied log, want 201 and 200", l.First(), l.Head())
	}
	if n, err := l.Retain(late); n != 0 || err != nil {
		t.Errorf("Retain of an empty log = %d, %v", n, err)
	}
}

func TestRetainBySize(t *testing.T) {
	t.Parallel()
	const limit = 6 << 20
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: faultfs.New(), MaxBytes: limit})
	for range 100 {
		mustAppend(t, l, sample("d", 100000), sample("d", 100000))
		if l.Bytes() > limit {
			t.Fatalf("log has %d bytes, want at most %d", l.Bytes(), limit)
		}
	}
	if l.Bytes() < limit-2<<20 {
		t.Errorf("log has %d bytes, want nearly %d", l.Bytes(), limit)
	}
	if l.Head() != 200 || l.Removed() != l.First()-1 || l.Removed() == 0 {
		t.Errorf("Head %d First %d Removed %d", l.Head(), l.First(), l.Removed())
	}
	if got := len(read(t, l, 0)); got != int(l.Head()-l.First())+1 {
		t.Errorf("read %d messages, want %d", got, l.Head()-l.First()+1)
	}
}

// Age must be kept although the newest messages of a file cannot be read.
func TestRetainWithDamage(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, messagelog.Options{Dir: "log", FS: fs, MaxAge: time.Hour})
	mustAppend(t, l, at("d", 10, start))
	mustAppend(t, l, at("d", 10, start))
	if _, err := l.Retain(start.Add(30 * time.Minute)); err != nil { // ends the file
		t.Fatal(err)
	}
	mustAppend(t, l, at("d", 10, start.Add(30*time.Minute)))
	path := fs.Files()[0]
	data := fs.Data(path)
	data[len(data)-20] ^= 1
	fs.SetData(path, data)
	dropped, err := l.Retain(start.Add(61 * time.Minute))
	if err != nil || dropped != 2 {
		t.Errorf("Retain = %d, %v, want 2", dropped, err)
	}
}

func TestAppendStoresThoughRemovingFails(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	var logged strings.Builder
	l := mustOpen(t, messagelog.Options{
		Dir: "log", FS: fs, MaxBytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	fs.Fail("remove", syscall.EIO)
	for range 30 {
		mustAppend(t, l, sample("d", 100000))
	}
	if got := strings.Count(logged.String(), "cannot remove"); got != 1 {
		t.Errorf("log says %d times that removing failed, want once: %q", got, logged.String())
	}
	if got := len(read(t, l, 0)); got != 30 {
		t.Errorf("read %d messages, want 30", got)
	}
	if n, err := l.Retain(start); n != 0 || err == nil {
		t.Errorf("Retain = %d, %v, want an error", n, err)
	}
	fs.Fail("remove", nil)
	if n, err := l.Retain(start); n == 0 || err != nil {
		t.Errorf("Retain = %d, %v, want some removed", n, err)
	}
}
