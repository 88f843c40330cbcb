package indicator_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/indicator"
)

const list = `# a list of everything
203.0.113.9
198.51.100.0/24, scanner
10.1.2.3/8	host bits do not matter
::ffff:192.0.2.7
2001:DB8::1;a server
2001:db8:bad::/48 # a network
fe80::1%eth0
0.0.0.0
::

bad.example
*.worse.example.
.Worst.Example
sub.worse.example
xn--bcher-kva.example,"books"
"quoted.example"
d41d8cd98f00b204e9800998ecf8427e
DA39A3EE5E6B4B0D3255BFEF95601890AFD80709
e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
00000000000000000000000000000000
203.0.113.9 # again
`

func read(tb testing.TB, text string) (*indicator.Set, indicator.Report) {
	tb.Helper()
	s, r, err := indicator.Read(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s, r
}

func TestContains(t *testing.T) {
	s, report := read(t, list)
	if diff := cmp.Diff(indicator.Report{Lines: 22, Entries: 20}, report); diff != "" {
		t.Errorf("report differs (-want +got):\n%s", diff)
	}
	if s.Len() != 19 {
		t.Errorf("Len = %d, want 19", s.Len())
	}
	for _, v := range []string{
		"203.0.113.9", "::ffff:203.0.113.9", "198.51.100.0", "198.51.100.255", "10.200.0.1", "192.0.2.7", "0.0.0.0", "::",
		"2001:db8::1", "2001:0DB8:0:0::1", "2001:db8:bad:ffff::2", "fe80::1", "fe80::1%wlan0",
		"bad.example", "BAD.example.", "a.b.bad.example", "x.worse.example", "worst.example", "xn--bcher-kva.example", "quoted.example",
		"d41d8cd98f00b204e9800998ecf8427e", "D41D8CD98F00B204E9800998ECF8427E", "md5:d41d8cd98f00b204e9800998ecf8427e",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", strings.Repeat("0", 32),
	} {
		if !s.Contains(v) {
			t.Errorf("%s is not on the list", v)
		}
	}
	for _, v := range []string{
		"", "203.0.113.8", "198.51.101.0", "11.0.0.1", "2001:db8::2", "2001:db8:bae::1", "fe80::2", "::1", "0.0.0.1",
		"example", "notbad.example", "bad.example.org", "bad", ".", "..", "bad..example", "books",
		"e41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427", "zz1d8cd98f00b204e9800998ecf8427e",
		strings.Repeat("0", 40), strings.Repeat("0", 64), "1.2.3", "1.2.3.4.5", "*", "10.0.0.0/8", strings.Repeat("a.", 500) + "bad.example",
	} {
		if s.Contains(v) {
			t.Errorf("%s is on the list", v)
		}
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, v := range []string{"203.0.113.9", "2001:db8::2", "a.b.c.d.example", "da39a3ee5e6b4b0d3255bfef95601890afd80708", "sh -c x", "1.2.3", "*"} {
			s.Contains(v)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestEmpty(t *testing.T) {
	for _, s := range []*indicator.Set{{}, first(read(t, "")), first(read(t, "# nothing\n"))} {
		if s.Contains("bad.example") || s.Contains("10.0.0.1") || s.Len() != 0 || s.Bytes() != 0 {
			t.Errorf("empty set: Len %d, Bytes %d", s.Len(), s.Bytes())
		}
	}
}

func first(s *indicator.Set, _ indicator.Report) *indicator.Set { return s }

func TestBadLines(t *testing.T) {
	s, report := read(t, "\ufeffgood.example\n"+strings.Join([]string{
		"localhost", "1.2.3.4/33", "0.0.0.0/0", "::ffff:0:0/96", "http://bad.example/x", "bü.example", "a..b", "1.2.3.4.5", ",x", "a b.example",
		strings.Repeat("a", 5000), strings.Repeat("a", 64) + ".example", strings.Repeat("abc.", 70) + "example", "1.2.3.4:80",
	}, "\n")+"\nalso.example")
	if report.Lines != 16 || report.Entries != 2 || report.Bad != 14 || len(report.First) != 14 {
		t.Errorf("report = %+v", report)
	}
	for i, want := range []string{
		"a domain has a dot", "is not a network", "covers every address", "covers every address", "no other indicator has a slash",
		"written with xn--", "1 to 63 characters", "neither an address nor a domain", "empty column", "is no address", "longer than 4096 bytes",
		"1 to 63 characters", "at most 253", "is no address",
	} {
		if got := report.First[i]; got.Line != i+2 || !strings.Contains(got.Reason, want) {
			t.Errorf("line %d: %s\nwant line %d: … %s …", got.Line, got.Reason, i+2, want)
		}
	}
	if !s.Contains("good.example") || !s.Contains("also.example") {
		t.Error("what is good between bad lines is not on the list")
	}
	_, report = read(t, strings.Repeat("x\n", 1000))
	if report.Bad != 1000 || len(report.First) != indicator.MaxBadLines {
		t.Errorf("of 1000 bad lines %d are counted and %d described", report.Bad, len(report.First))
	}
}

func TestReadFails(t *testing.T) {
	_, _, err := indicator.Read(io.MultiReader(strings.NewReader("good.example\n"), iotest.ErrReader(io.ErrClosedPipe)))
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error = %v", err)
	}
}

func TestTooMany(t *testing.T) {
	_, _, err := indicator.Read(io.LimitReader(repeat("10.0.0.1\n"), 9*(indicator.MaxEntries+1)))
	if tvilling.CodeOf(err) != tvilling.TooLarge {
		t.Errorf("error = %v", err)
	}
}

// repeat reads as one text again and again.
type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// TestNetworks holds networks to a scan of all of them.
func TestNetworks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, 3)
		address := func(name string) netip.Addr {
			if rapid.Bool().Draw(t, name+" is IPv6") {
				var b [16]byte
				for i := range b {
					b[i] = byte(small.Draw(t, name))
				}
				return netip.AddrFrom16(b)
			}
			return netip.AddrFrom4([4]byte{byte(small.Draw(t, name)), byte(small.Draw(t, name)), byte(small.Draw(t, name)), byte(small.Draw(t, name))})
		}
		var prefixes []netip.Prefix
		var text strings.Builder
		for range rapid.IntRange(0, 10).Draw(t, "networks") {
			a := address("network")
			p := netip.PrefixFrom(a, rapid.IntRange(1, a.BitLen()).Draw(t, "bits"))
			prefixes = append(prefixes, p)
			fmt.Fprintln(&text, p)
		}
		s, _, err := indicator.Read(strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			a, want := address("address"), false
			for _, p := range prefixes {
				want = want || p.Contains(a)
			}
			if got := s.Contains(a.String()); got != want {
				t.Fatalf("%s in %v = %t, want %t", a, prefixes, got, want)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(list, "203.0.113.9")
	f.Add("*.a.example", "b.a.example")
	f.Add("::/1\n1.2.3.4/1", "::1%")
	f.Fuzz(func(t *testing.T, text, value string) {
		s, r, err := indicator.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() > r.Entries || r.Entries+r.Bad > r.Lines {
			t.Fatalf("%d indicators, %+v", s.Len(), r)
		}
		s.Contains(value)
		if one, _, err := indicator.Read(strings.NewReader(value)); err == nil && one.Len() == 1 && !strings.ContainsAny(value, "/\n,;\t#\"* \ufeff\u0085\u00a0") && strings.TrimSpace(value) == value && !strings.HasPrefix(value, ".") {
			if !one.Contains(value) {
				t.Fatalf("a list of %q does not contain it", value)
			}
		}
	})
}

// million is a list of a million indicators of a kind, and values to look for:
// every second is on it.
func million(kind string) (text string, values []string) {
	const n = 1_000_000
	rng := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for i := range n {
		var v string
		switch kind {
		case "IPv4":
			v = netip.AddrFrom4([4]byte{byte(1 + rng.IntN(250)), byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256))}).String()
		case "IPv6":
			var a [16]byte
			for j := range a {
				a[j] = byte(rng.IntN(256))
			}
			v = netip.AddrFrom16(a).String()
		case "domain":
			v = fmt.Sprintf("%x.host%d.example", rng.Uint32(), i)
		default:
			var h [32]byte
			for j := range h {
				h[j] = byte(rng.IntN(256))
			}
			v = hex.EncodeToString(h[:])
		}
		b.WriteString(v)
		b.WriteByte('\n')
		if i%1000 == 0 {
			values = append(values, v, v[:len(v)-1]+"1")
		}
	}
	return b.String(), values
}

func BenchmarkMillion(b *testing.B) {
	for _, kind := range []string{"IPv4", "IPv6", "domain", "SHA-256"} {
		b.Run(kind, func(b *testing.B) {
			text, values := million(kind)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s, _ := read(b, text)
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Contains(values[i%len(values)])
				i++
			}
			b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/float64(s.Len()), "bytes/entry")
			runtime.KeepAlive(text)
		})
	}
}

func BenchmarkRead(b *testing.B) {
	text, _ := million("IPv4")
	for b.Loop() {
		read(b, text)
	}
}
