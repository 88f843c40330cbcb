package sigma_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/sigma"
)

// ordinary are command lines of an ordinary device, about 120 bytes each.
func ordinary(n int) []record {
	rng := rand.New(rand.NewPCG(1, 2))
	programs := []string{"/usr/bin/python3 -u", "/usr/sbin/logrotate --state", "/bin/sh -c", "/usr/lib/systemd/systemd-udevd --daemon", "/opt/vendor/gateway/bin/modbusd -c", "/usr/bin/curl -sS --max-time 10"}
	arguments := []string{"/etc/vendor/gateway.conf", "--interval=30", "/var/lib/vendor/queue/0001.db", "--tls", "mqtts://hub.example.com:8883", "2>&1", "--log-level=info", "/usr/share/zoneinfo/Europe/Stockholm", "&& date -u +%s", "--port 502"}
	out := make([]record, n)
	for i := range out {
		line := programs[rng.IntN(len(programs))]
		for len(line) < 105 {
			line += " " + arguments[rng.IntN(len(arguments))]
		}
		image, _, _ := strings.Cut(line, " ")
		out[i] = record{"CommandLine": {line}, "Image": {image}, "User": {"root"}}
	}
	return out
}

// ruleTexts writes rules of the shapes that rules have, with words of their own.
func ruleTexts(n int) string {
	rng := rand.New(rand.NewPCG(3, 4))
	word := func() string {
		b := make([]byte, 5+rng.IntN(8))
		for i := range b {
			b[i] = "abcdefghijklmnopqrstuvwxyz-_./"[rng.IntN(30)]
		}
		return "'x" + string(b) + "'"
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\ntitle: Rule %d\nlogsource: {category: test}\ndetection:\n", i)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "  s:\n    CommandLine|contains: [%s, %s, %s]\n  condition: s\n", word(), word(), word())
		case 1:
			fmt.Fprintf(&b, "  s:\n    Image|endswith: [%s, /python3]\n    CommandLine|contains|all: [%s, ' -u ']\n  f:\n    User: root\n  condition: s and not f\n", word(), word())
		case 2:
			fmt.Fprintf(&b, "  s:\n    CommandLine|re: '(curl|wget)\\s.*%s'\n  condition: s\n", strings.Trim(strings.ReplaceAll(word(), ".", "_"), "'"))
		case 3:
			fmt.Fprintf(&b, "  sa:\n    Image|endswith: /curl\n  sb:\n    CommandLine|startswith: [%s, %s]\n  sc:\n    CommandLine: '*%s*%s'\n  condition: sa and 1 of sb* or sc\n", word(), word(), strings.Trim(word(), "'"), strings.Trim(word(), "'"))
		}
	}
	return b.String()
}

// ruleSet compiles n rules, some at a time: a file holds 64.
func ruleSet(tb testing.TB, n int) *sigma.Set {
	tb.Helper()
	rules := parseAll(tb, ruleTexts(n))
	set, err := sigma.Compile(rules, options)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// values is a record without maps, as the engine's is.
type values struct{ of [9]string }

func (v *values) Values(id int, dst []string) []string {
	if v.of[id] == "" {
		return dst
	}
	return append(dst, v.of[id])
}

func plain(records []record) []*values {
	out := make([]*values, len(records))
	for i, r := range records {
		out[i] = &values{}
		for id, f := range fields {
			if v := r[f]; len(v) > 0 {
				out[i].of[id] = v[0]
			}
		}
	}
	return out
}

func BenchmarkMatch(b *testing.B) {
	records := plain(ordinary(256))
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			set := ruleSet(b, n)
			b.ReportMetric(float64(set.Bytes()), "search-bytes")
			b.ReportMetric(float64(set.Always()), "always")
			var sc sigma.Scratch
			b.ReportAllocs()
			i, hits := 0, 0
			for b.Loop() {
				set.Match(records[i%len(records)], &sc, func(*sigma.Rule, []sigma.Match) { hits++ })
				i++
			}
			if hits > 0 {
				b.Fatalf("%d of %d records match", hits, i)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	rules := parseAll(b, ruleTexts(1000))
	for b.Loop() {
		if _, err := sigma.Compile(rules, options); err != nil {
			b.Fatal(err)
		}
	}
}
