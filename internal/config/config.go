// Package config reads the hub's configuration file: one small TOML file, read
// strictly. Every unknown key and every bad value is reported, each with its
// line. Secrets are not in it: it names the files that hold them.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/tvilling/tvilling/internal/app"
)

// file is the form of the configuration file.
type file struct {
	Data       string   `toml:"data"`
	Hosts      []string `toml:"hosts"`
	MQTT       string   `toml:"mqtt"`
	HTTPS      []string `toml:"https"`
	Admin      string   `toml:"admin"`
	HubKeyFile string   `toml:"hub_key_file"`
	Cache      size     `toml:"cache"`

	TLS struct {
		CertificateFile string `toml:"certificate_file"`
		KeyFile         string `toml:"key_file"`
		ClassicalCurves bool   `toml:"classical_curves"`
	} `toml:"tls"`

	Telemetry retention `toml:"telemetry"`
	Security  retention `toml:"security"`
	Events    retention `toml:"events"`
	Alerts    struct {
		MaxAge age `toml:"max_age"`
	} `toml:"alerts"`
	History retention `toml:"history"`

	Detection struct {
		Rules      string `toml:"rules"`
		Indicators string `toml:"indicators"`
	} `toml:"detection"`
	Query struct {
		Index       *bool `toml:"index"`
		IndexMemory size  `toml:"index_memory"`
	} `toml:"query"`
	Console struct {
		Enabled *bool `toml:"enabled"`
	} `toml:"console"`
	Agents struct {
		Folder string `toml:"folder"`
	} `toml:"agents"`
	Webhooks []webhook `toml:"webhook"`
	Syslogs  []syslog  `toml:"syslog"`
}

// webhook is a receiver of alerts over HTTPS.
type webhook struct {
	Name       string `toml:"name"`
	URL        string `toml:"url"`
	SecretFile string `toml:"secret_file"`
	CAFile     string `toml:"ca_file"`
	Severity   string `toml:"min_severity"`
}

// syslog is a receiver of alerts over syslog with TLS.
type syslog struct {
	Name     string `toml:"name"`
	Address  string `toml:"address"`
	CAFile   string `toml:"ca_file"`
	Severity string `toml:"min_severity"`
}

// sinks are the receivers of alerts.
func (f *file) sinks() (list []app.Sink) {
	for _, w := range f.Webhooks {
		list = append(list, app.Sink{Kind: app.Webhook, Name: w.Name, Target: w.URL, SecretFile: w.SecretFile, CAFile: w.CAFile, Severity: w.Severity})
	}
	for _, l := range f.Syslogs {
		list = append(list, app.Sink{Kind: app.Syslog, Name: l.Name, Target: l.Address, CAFile: l.CAFile, Severity: l.Severity})
	}
	return list
}

type retention struct {
	MaxAge  age  `toml:"max_age"`
	MaxSize size `toml:"max_size"`
}

func (r retention) options() app.Retention {
	return app.Retention{MaxAge: r.MaxAge.value, MaxBytes: r.MaxSize.value}
}

// values are the settings that have a form of their own, by their keys.
func (f *file) values() map[string]error {
	return map[string]error{
		"cache":              f.Cache.err,
		"telemetry.max_age":  f.Telemetry.MaxAge.err,
		"telemetry.max_size": f.Telemetry.MaxSize.err,
		"security.max_age":   f.Security.MaxAge.err,
		"security.max_size":  f.Security.MaxSize.err,
		"events.max_age":     f.Events.MaxAge.err,
		"events.max_size":    f.Events.MaxSize.err,
		"alerts.max_age":     f.Alerts.MaxAge.err,
		"history.max_age":    f.History.MaxAge.err,
		"history.max_size":   f.History.MaxSize.err,
		"query.index_memory": f.Query.IndexMemory.err,
	}
}

// age is a duration such as "36h" or "30d".
type age struct {
	value time.Duration
	// err is what is wrong with it. Decoding goes on, so that all that is wrong
	// is told at once.
	err error
}

// UnmarshalText keeps what is wrong, for later.
func (a *age) UnmarshalText(b []byte) error {
	a.value, a.err = parseAge(string(b))
	return nil
}

// parseAge reads a Go duration, or a whole number of days with a "d".
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64/int64(24*time.Hour) {
			return 0, fmt.Errorf("%q is not a number of days of at least 1, such as \"30d\"", s)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a duration such as \"36h\" or \"30d\"", s)
	}
	return d, nil
}

// size is a number of bytes such as "512MiB".
type size struct {
	value int64
	err   error // as in age
}

// units of sizes, longest first so that "MiB" is not read as "B".
var units = []struct {
	name  string
	shift uint
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}}

// UnmarshalText keeps what is wrong, for later.
func (z *size) UnmarshalText(b []byte) error {
	z.value, z.err = parseSize(strings.TrimSpace(string(b)))
	return nil
}

// parseSize reads a whole number with one of the units B, KiB, MiB, GiB, TiB.
func parseSize(s string) (int64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 1 || n > math.MaxInt64>>u.shift {
			break
		}
		return n << u.shift, nil
	}
	return 0, fmt.Errorf("%q is not a size such as \"512MiB\" or \"4GiB\"", s)
}

// Load reads a configuration file.
func Load(path string) (app.Options, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return app.Options{}, fmt.Errorf("read the configuration: %w", err)
	}
	o, err := Parse(b)
	if err != nil {
		return app.Options{}, fmt.Errorf("%s: %w", path, err)
	}
	return o, nil
}

// Parse reads the text of a configuration file. Its error has a line for each
// thing that is wrong.
func Parse(b []byte) (app.Options, error) {
	var f file
	d := toml.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(&f)
	if _, unknown := errors.AsType[*toml.StrictMissingError](err); err != nil && !unknown {
		return app.Options{}, describe(err) // what comes after it was not read
	}
	errs := []error{describe(err)}
	values := f.values()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := values[key]; err != nil {
			errs = append(errs, fmt.Errorf("line %d: %s: %w", lineOf(b, key), key, err))
		}
	}
	o := app.Options{
		Data: f.Data, Hosts: f.Hosts, MQTT: f.MQTT, HTTPS: f.HTTPS, Admin: f.Admin,
		CertificateFile: f.TLS.CertificateFile, KeyFile: f.TLS.KeyFile, ClassicalCurves: f.TLS.ClassicalCurves,
		HubKeyFile: f.HubKeyFile, CacheBytes: f.Cache.value, IndexBytes: f.Query.IndexMemory.value, NoIndex: f.Query.Index != nil && !*f.Query.Index, NoConsole: f.Console.Enabled != nil && !*f.Console.Enabled,
		Telemetry: f.Telemetry.options(), Security: f.Security.options(), History: f.History.options(),
		Events: f.Events.options(), AlertAge: f.Alerts.MaxAge.value,
		Rules: f.Detection.Rules, Indicators: f.Detection.Indicators, Agents: f.Agents.Folder, Sinks: f.sinks(),
	}
	return o, errors.Join(append(errs, o.Validate())...)
}

// lineOf returns the line of a key such as "telemetry.max_age" in a file that
// TOML has accepted, 0 when it is written in a way that this does not see.
func lineOf(b []byte, key string) int {
	table, n := "", 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			table = strings.TrimSpace(strings.SplitN(name, "]", 2)[0]) + "."
			continue
		}
		if name, _, ok := strings.Cut(line, "="); ok && strings.TrimPrefix(table, ".")+strings.TrimSpace(name) == key {
			return n
		}
	}
	return 0
}

// describe turns the decoder's errors into lines "line N: what is wrong"; nil stays nil.
func describe(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []error
		for _, e := range strict.Errors {
			line, _ := e.Position()
			errs = append(errs, fmt.Errorf("line %d: unknown key %q", line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(errs...)
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return fmt.Errorf("line %d: %s", line, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return err
}
