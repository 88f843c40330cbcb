package sqlite_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// The numbers of the kinds, which are on disk.
const (
	identityKind = 1
	twinKind     = 2
	sessionKind  = 3
	settingKind  = 4
	countersKind = 5
)

func TestValueRoundTrip(t *testing.T) {
	t.Parallel()
	i := id("d1", "azureiotsecurity")
	for _, test := range []struct {
		name string
		kind uint8
		rec  any
	}{
		{"identity", identityKind, identity(i, math.MaxUint64)},
		{"empty identity", identityKind, &state.Identity{ID: i}},
		{"identity of odd times", identityKind, &state.Identity{
			ID: i, Created: time.Date(-44, 3, 15, 0, 0, 0, 999_999_999, time.UTC), StatusUpdated: time.Date(9999, 1, 1, 0, 0, 0, 1, time.UTC),
			Auth: state.Authentication{Type: "of tomorrow"}, ParentScopes: []string{"", "x"},
		}},
		{"twin", twinKind, twin(i, math.MinInt64)},
		{"twin with owned members", twinKind, owning(i, 3)},
		{"twin with an empty owned member", twinKind, &state.Twin{ID: i, Owned: []state.Owned{{Name: "x"}}}},
		{"empty twin", twinKind, &state.Twin{ID: i}},
		{"session", sessionKind, &state.Session{ID: i, Present: true, Topics: 255, AtLeastOnce: 7, ClientType: "x", LastActivity: time.Unix(0, 1).UTC()}},
		{"counters", countersKind, &state.Counters{Devices: 1, DisabledDevices: -1, Modules: math.MaxInt64}},
	} {
		value := sqlite.EncodeValue(test.kind, i, test.rec)
		got, err := sqlite.DecodeValue(test.kind, i, value)
		if err != nil || cmp.Diff(test.rec, got) != "" {
			t.Errorf("%s: %v; -want +got:\n%s", test.name, err, cmp.Diff(test.rec, got))
		}
		for n := range value {
			if _, err := sqlite.DecodeValue(test.kind, i, value[:n]); tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Errorf("%s cut to %d bytes: %v, want code Corrupt", test.name, n, err)
			}
		}
		for _, other := range []tvilling.Identity{id("d1", ""), id("d1a", "zureiotsecurity"), id("d", "1azureiotsecurity")} {
			if _, err := sqlite.DecodeValue(test.kind, other, value); tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Errorf("%s under key %s: %v, want code Corrupt", test.name, other, err)
			}
		}
	}
}

// twinOfFormat1 is twin(id("d1", "azureiotsecurity"), 2) as the first version stored it.
const twinOfFormat1 = "0104021464746d693a6578616d706c653a7468696e673b31047461677307646573697265640a7265706f727465642032b209e923"

func TestValueOfNewerVersion(t *testing.T) {
	t.Parallel()
	i := id("d", "")
	value := sqlite.EncodeValue(twinKind, i, twin(i, 1))
	newer := sqlite.SealFormat(twinKind, i, 77, value[1:len(value)-4])
	if _, err := sqlite.DecodeValue(twinKind, i, newer); tvilling.CodeOf(err) != tvilling.Unsupported {
		t.Errorf("a value of format 77: %v, want code Unsupported", err)
	}
}

// TestTwinOfFormat1 reads the very bytes that the first version stored, and
// demands that a twin without owned members is still written so: a hub that
// keeps none can go back.
func TestTwinOfFormat1(t *testing.T) {
	t.Parallel()
	i := id("d1", "azureiotsecurity")
	stored, err := hex.DecodeString(twinOfFormat1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sqlite.DecodeValue(twinKind, i, stored)
	if err != nil || cmp.Diff(twin(i, 2), got) != "" {
		t.Errorf("the stored twin reads as %+v, %v", got, err)
	}
	if now := sqlite.EncodeValue(twinKind, i, twin(i, 2)); !bytes.Equal(now, stored) {
		t.Errorf("it is written as %x, was %x", now, stored)
	}
	with := sqlite.EncodeValue(twinKind, i, owning(i, 2))
	if with[0] != 2 {
		t.Errorf("a twin with owned members has format %d, want 2", with[0])
	}
}

func TestOwnedMembersAreChecked(t *testing.T) {
	t.Parallel()
	i := id("d", "m")
	plain := sqlite.EncodeValue(twinKind, i, twin(i, 1))
	plain = plain[1 : len(plain)-4]
	for name, members := range map[string]string{
		"none":        "\x00",
		"no count":    "",
		"cut":         "\x01\x01a",
		"twice":       "\x02\x01a\x01x\x01a\x01y",
		"in no order": "\x02\x01b\x01x\x01a\x01y",
		"no name":     "\x01\x00\x01x",
		"too many":    "\xff\xff\xff\xff\x0f\x01a\x01x",
		"left over":   "\x01\x01a\x01xx",
	} {
		value := sqlite.SealFormat(twinKind, i, 2, append(bytes.Clone(plain), members...))
		if rec, err := sqlite.DecodeValue(twinKind, i, value); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%s: %+v, %v; want code Corrupt", name, rec, err)
		}
	}
	if _, err := sqlite.DecodeValue(countersKind, i, sqlite.SealFormat(countersKind, i, 2, []byte{0, 0, 0})); tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("counters of format 2: %v, want code Corrupt", err)
	}
}

// FuzzDecodeValue feeds the decoders any fields under a right checksum. What
// they take they write again in the same bytes or in fewer: the only freedom
// of the form is a varint longer than need be.
func FuzzDecodeValue(f *testing.F) {
	i := id("d1", "m")
	for kind, rec := range map[uint8]any{
		identityKind: identity(i, 7), twinKind: twin(i, 9), sessionKind: &state.Session{ID: i, Topics: 3, LastActivity: time.Unix(1, 2)},
		countersKind: &state.Counters{Devices: 5},
	} {
		value := sqlite.EncodeValue(kind, i, rec)
		f.Add(kind, byte(0), value[1:len(value)-4])
	}
	value := sqlite.EncodeValue(twinKind, i, owning(i, 9))
	f.Add(uint8(twinKind), byte(1), value[1:len(value)-4])
	f.Add(uint8(settingKind), byte(0), []byte("setting"))
	f.Add(uint8(6), byte(0), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, kind uint8, format byte, fields []byte) {
		rec, err := sqlite.DecodeValue(kind, i, sqlite.SealFormat(kind, i, 1+format%2, fields))
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Fatalf("code %q, want Corrupt", tvilling.CodeOf(err))
			}
			return
		}
		value := sqlite.EncodeValue(kind, i, rec)
		if len(value) > len(fields)+5 {
			t.Fatalf("%d bytes became %d", len(fields)+5, len(value))
		}
		again, err := sqlite.DecodeValue(kind, i, value)
		if err != nil || !bytes.Equal(sqlite.EncodeValue(kind, i, again), value) {
			t.Fatalf("encoding is not stable: %v", err)
		}
	})
}

// TestCauseOnDisk demands that a change with a cause is written in a format of
// its own, which the versions before refuse, and all others as ever.
func TestCauseOnDisk(t *testing.T) {
	t.Parallel()
	caused := change(2, id("d", ""))
	caused.Cause = "restore of version 7"
	for format, changes := range map[byte][]state.Change{
		1: {change(1, id("d", ""))},
		2: {change(1, id("d", "")), caused},
	} {
		records, err := sqlite.EncodeBatch(&state.Batch{Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		if got := sqlite.DirectoryFormat(records); got != format {
			t.Errorf("%d changes: format %d, want %d", len(changes), got, format)
		}
		for n, want := range changes {
			if _, got, err := sqlite.DecodeRecord(records[n+1]); err != nil || cmp.Diff(&want, got) != "" {
				t.Errorf("change %+v is read as %+v, %v", want, got, err)
			}
		}
	}
	records, err := sqlite.EncodeBatch(&state.Batch{Changes: []state.Change{caused}})
	if err != nil {
		t.Fatal(err)
	}
	records[0][1] = 3
	if _, _, err := sqlite.DecodeRecord(records[0]); tvilling.CodeOf(err) != tvilling.Unsupported {
		t.Errorf("a directory of a later format: %v, want code Unsupported", err)
	}
}

// FuzzDecodeRecord feeds the journal's decoder any bytes.
func FuzzDecodeRecord(f *testing.F) {
	records, err := sqlite.EncodeBatch(&state.Batch{
		Writes: append(device("d", 3), state.Write{ID: id("gone", ""), Delete: true},
			state.Write{Setting: &state.Setting{Name: "policies", Value: []byte("x")}}, state.Write{Counters: &state.Counters{Devices: 2}}),
		Changes: []state.Change{change(1, id("d", "")), change(2, id("d", "m"))},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, r := range records {
		f.Add(r)
	}
	caused := change(3, id("d", ""))
	caused.Cause = "restore of version 7"
	if records, err = sqlite.EncodeBatch(&state.Batch{Changes: []state.Change{caused}}); err != nil {
		f.Fatal(err)
	}
	f.Add(records[1])
	f.Fuzz(func(t *testing.T, b []byte) {
		write, change, err := sqlite.DecodeRecord(b)
		if err != nil && (write && change != nil) {
			t.Fatal("a record that is refused is yielded")
		}
		if err == nil && change != nil && change.Time.Nanosecond() >= int(time.Second) {
			t.Fatalf("time %v", change.Time)
		}
	})
}
