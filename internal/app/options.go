package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Options are what a hub can be told at its start. The zero value of a field
// asks for what [DefaultOptions] has there.
type Options struct {
	// Data is the directory that holds everything the hub keeps.
	Data string
	// Hosts are names and addresses that the server certificate covers besides
	// localhost, hub.localhost, 127.0.0.1, ::1 and the machine's name. The
	// first is the HostName of the owner's connection string.
	Hosts []string
	// MQTT, HTTPS and Admin are addresses to listen on. Without HTTPS the hub
	// takes :443 where it may, else :8443.
	MQTT  string
	HTTPS []string
	Admin string
	// CertificateFile and KeyFile are the operator's own server certificate;
	// without them the hub makes one, signed by a CA of its own.
	CertificateFile, KeyFile string
	// HubKeyFile holds the key that seals the devices' keys; without it the
	// hub makes one in its data directory.
	HubKeyFile string
	// ClassicalCurves keeps post-quantum key exchange out of TLS hellos, for
	// clients that choke on their size.
	ClassicalCurves bool
	// Telemetry, Security and History say how long messages and the journal
	// are kept, Events how long the events of security messages are. A security
	// message whose events are not kept yet is never dropped.
	Telemetry, Security, Events, History Retention
	// AlertAge is how long alerts stay after they were resolved or dismissed.
	AlertAge time.Duration
	// Rules is a folder of the operator's own Sigma rules, Indicators one of
	// lists of addresses, domains and hashes; "" for none.
	Rules, Indicators string
	// Agents is the folder of the programs that devices can fetch to install
	// the security agent; by default where this program is.
	Agents string
	// Sinks are told of alerts and recommendations.
	Sinks []Sink
	// CacheBytes bounds the memory for records read from the store.
	CacheBytes int64
	// IndexBytes bounds the memory of the index that answers queries.
	IndexBytes int64
	// NoIndex leaves the index out: every query that is not for one device then
	// looks at all twins.
	NoIndex bool
	// NoConsole leaves out the pages for people.
	NoConsole bool
	// AcceptLoss lets the hub start on a journal so damaged that it cannot say
	// which of the newest changes are lost. It is for one start.
	AcceptLoss bool
	// Version is that of the program, for those who are told of alerts.
	Version string
	// Tuning is for tests; operators have no use for it.
	Tuning Tuning

	Logger *slog.Logger
}

// Tuning lets a test meet in a second what takes a hub days, and faults that
// no machine gives on demand. Zero values are what the packages below think
// best.
type Tuning struct {
	// FS is the file system of the journal and the message logs. SQLite, which
	// can be made anew from the journal, is not on it.
	FS segment.FS
	// SegmentBytes is the size of one file of the journal.
	SegmentBytes int64
	// DirtyBytes, ReplayBytes and WriteBackAfter say when the store writes
	// records from memory to SQLite.
	DirtyBytes, ReplayBytes int64
	WriteBackAfter          time.Duration
	// InstallGrace is how long a device may be registered without a security
	// message before an agent is recommended for it, CompareGrace how long an
	// agent may take to report what was changed.
	InstallGrace, CompareGrace time.Duration
}

// SinkKind is how a sink is spoken to.
type SinkKind string

// The kinds of sink.
const (
	Webhook SinkKind = "webhook"
	Syslog  SinkKind = "syslog"
)

// Sink is a receiver of alerts and recommendations.
type Sink struct {
	Kind SinkKind
	// Name tells it from others; its place in the feed is kept under it.
	Name string
	// Target is the URL of a webhook or host:port of a syslog server.
	Target string
	// SecretFile holds the key that a webhook's requests are signed with.
	SecretFile string
	// CAFile has certificates to trust instead of the system's.
	CAFile string
	// Severity is the lowest severity that is sent: informational (or ""),
	// low, medium or high.
	Severity string
}

// Retention bounds what is kept by age and by size; the tighter one counts.
type Retention struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// DefaultOptions are a hub on the standard ports with its data in the current
// directory, keeping a week of telemetry, a month of security events, three
// days of the messages they came in, a week of history, and alerts for half a
// year after they were closed.
func DefaultOptions() Options {
	const day, gib = 24 * time.Hour, 1 << 30
	return Options{
		Data:       "tvilling-data",
		MQTT:       ":8883",
		Admin:      "127.0.0.1:8444",
		Telemetry:  Retention{MaxAge: 7 * day, MaxBytes: 4 * gib},
		Security:   Retention{MaxAge: 3 * day, MaxBytes: 2 * gib},
		Events:     Retention{MaxAge: 30 * day, MaxBytes: 8 * gib},
		AlertAge:   180 * day,
		History:    Retention{MaxAge: 7 * day, MaxBytes: 2 * gib},
		CacheBytes: 128 << 20,
		IndexBytes: index.DefaultBudget,
		Logger:     slog.New(slog.DiscardHandler),
	}
}

// fill puts defaults where o has zero values.
func (o Options) fill() Options {
	d := DefaultOptions()
	if o.Data == "" {
		o.Data = d.Data
	}
	if o.MQTT == "" {
		o.MQTT = d.MQTT
	}
	if o.Admin == "" {
		o.Admin = d.Admin
	}
	o.Telemetry = o.Telemetry.fill(d.Telemetry)
	o.Security = o.Security.fill(d.Security)
	o.Events = o.Events.fill(d.Events)
	o.History = o.History.fill(d.History)
	if o.AlertAge == 0 {
		o.AlertAge = d.AlertAge
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = d.CacheBytes
	}
	if o.IndexBytes == 0 {
		o.IndexBytes = d.IndexBytes
	}
	if o.Agents == "" {
		if path, err := os.Executable(); err == nil {
			o.Agents = filepath.Dir(path)
		}
	}
	if o.Logger == nil {
		o.Logger = d.Logger
	}
	return o
}

func (r Retention) fill(d Retention) Retention {
	if r.MaxAge == 0 {
		r.MaxAge = d.MaxAge
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = d.MaxBytes
	}
	return r
}

// Validate returns all that is wrong with o.
func (o Options) Validate() error {
	var errs []error
	if (o.CertificateFile == "") != (o.KeyFile == "") {
		errs = append(errs, errors.New("give a certificate file and its key file together, or neither"))
	}
	const smallest = 64 << 20 // a segment must fit
	for name, r := range map[string]Retention{"telemetry": o.Telemetry, "security": o.Security, "events": o.Events, "history": o.History} {
		if r.MaxAge < 0 {
			errs = append(errs, fmt.Errorf("%s: the longest age must not be negative", name))
		}
		if r.MaxBytes != 0 && r.MaxBytes < smallest {
			errs = append(errs, fmt.Errorf("%s: the largest size must be at least 64 MiB", name))
		}
	}
	errs = append(errs, checkSinks(o.Sinks)...)
	if o.AlertAge < 0 {
		errs = append(errs, errors.New("alerts: the longest age must not be negative"))
	}
	if o.CacheBytes < 0 {
		errs = append(errs, errors.New("the cache size must not be negative"))
	}
	if o.IndexBytes < 0 {
		errs = append(errs, errors.New("query: the memory of the index must not be negative"))
	}
	return errors.Join(errs...)
}

// checkSinks returns what is wrong with sinks.
func checkSinks(sinks []Sink) (errs []error) {
	names := make(map[string]bool)
	for i, s := range sinks {
		at := fmt.Sprintf("%s %q", s.Kind, s.Name)
		if s.Name == "" {
			at = fmt.Sprintf("%s number %d", s.Kind, i+1)
			errs = append(errs, fmt.Errorf("%s: give it a name", at))
		} else if names[s.Name] {
			errs = append(errs, fmt.Errorf("%s: another sink has the same name", at))
		}
		names[s.Name] = true
		if _, ok := ledger.ParseSeverity(s.Severity); s.Severity != "" && !ok {
			errs = append(errs, fmt.Errorf("%s: min_severity is %q; it must be informational, low, medium or high", at, s.Severity))
		}
		switch s.Kind {
		case Webhook:
			if u, err := url.Parse(s.Target); err != nil || u.Scheme != "https" || u.Host == "" {
				errs = append(errs, fmt.Errorf("%s: url must be an https URL", at))
			}
			if s.SecretFile == "" {
				errs = append(errs, fmt.Errorf("%s: name the file with the key that requests are signed with by secret_file", at))
			}
		case Syslog:
			if host, port, err := net.SplitHostPort(s.Target); err != nil || host == "" || port == "" {
				errs = append(errs, fmt.Errorf("%s: address must be host:port, such as siem.example.com:6514", at))
			}
		default:
			errs = append(errs, fmt.Errorf("%s: a sink is a webhook or a syslog server", at))
		}
	}
	return errs
}
