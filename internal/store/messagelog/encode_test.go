package messagelog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/messagelog"
)

// drawMessage draws any message that can be stored.
func drawMessage() *rapid.Generator[*tvilling.Message] {
	return rapid.Custom(func(t *rapid.T) *tvilling.Message {
		name := rapid.OneOf(rapid.SampledFrom([]string{"content-type", "iothub-interface-id", "traceparent"}), rapid.String())
		list := func(label string) []tvilling.Property {
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tvilling.Property {
				return tvilling.Property{
					Name:  name.Draw(t, "name"),
					Value: rapid.String().Draw(t, "value"),
					Null:  rapid.Bool().Draw(t, "null"),
				}
			}), 0, 5).Draw(t, label)
		}
		m := &tvilling.Message{
			From: tvilling.Identity{
				Device: tvilling.DeviceID(rapid.String().Draw(t, "device")),
				Module: tvilling.ModuleID(rapid.String().Draw(t, "module")),
			},
			System:     list("system"),
			Properties: list("properties"),
			Body:       rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		}
		if rapid.Bool().Draw(t, "timed") {
			sec := rapid.Int64Range(-9214560000, 9214560000).Draw(t, "seconds") // 1678 to 2261
			m.Enqueued = time.Unix(sec, rapid.Int64Range(0, 999999999).Draw(t, "nanos")).UTC()
		}
		return m
	})
}

func TestEncodeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawMessage().Draw(t, "message")
		b, err := messagelog.AppendEncoded([]byte("before"), want)
		if err != nil {
			t.Fatalf("AppendEncoded: %v", err)
		}
		if string(b[:6]) != "before" {
			t.Fatal("AppendEncoded changed what was there")
		}
		got, err := messagelog.Decode(b[6:])
		if err != nil {
			t.Fatalf("Decode: %v", err)
		}
		for i := range b {
			b[i] = 0xff // the message must not keep the bytes
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("message changed (-want +got):\n%s", diff)
		}
	})
}

func TestEncodeRefusesTimes(t *testing.T) {
	t.Parallel()
	for _, year := range []int{1, 1677, 2262, 9999} {
		m := &tvilling.Message{Enqueued: time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)}
		b, err := messagelog.AppendEncoded([]byte("x"), m)
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || string(b) != "x" {
			t.Errorf("year %d: got %q, %v, want an error of code InvalidArgument", year, b, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good, err := messagelog.AppendEncoded(nil, sample("d", 3))
	if err != nil {
		t.Fatal(err)
	}
	head := len(good) - 3
	for n := range head {
		if _, err := messagelog.Decode(good[:n]); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("first %d bytes: got %v, want code Corrupt", n, err)
		}
	}
	for name, b := range map[string]struct {
		bytes string
		code  tvilling.Code
	}{
		"later version":    {"\x02rest", tvilling.Unsupported},
		"unknown name":     {"\x01\x0f12345678\x00\x00\x01\xff\x01\x00\x00", tvilling.Corrupt},
		"long varint":      {"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", tvilling.Corrupt},
		"many properties":  {"\x01\x0e12345678\x00\x00\xff\xff\x7f\x00", tvilling.Corrupt},
		"bytes left":       {"\x01\x0d12345678\x00\x00\x00\x00\x00", tvilling.Corrupt},
		"endless varint":   {"\x01\x15" + "12345678" + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", tvilling.Corrupt},
		"length too large": {"\x01\x7f12345678", tvilling.Corrupt},
	} {
		if _, err := messagelog.Decode([]byte(b.bytes)); tvilling.CodeOf(err) != b.code {
			t.Errorf("%s: got %v, want code %s", name, err, b.code)
		}
	}
}

// FuzzDecode: whatever decodes must survive another round.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 200} {
		b, err := messagelog.AppendEncoded(nil, sample("device", n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add([]byte("\x01\x0c12345678\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := messagelog.Decode(b)
		if err != nil {
			if c := tvilling.CodeOf(err); c != tvilling.Corrupt && c != tvilling.Unsupported {
				t.Fatalf("code %s", c)
			}
			return
		}
		again, err := messagelog.AppendEncoded(nil, m)
		if err != nil {
			if tvilling.CodeOf(err) == tvilling.InvalidArgument {
				return // a time that only a forger writes
			}
			t.Fatalf("AppendEncoded of a decoded message: %v", err)
		}
		got, err := messagelog.Decode(again)
		if err != nil {
			t.Fatalf("Decode: %v", err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("message changed (-first +second):\n%s", diff)
		}
	})
}
