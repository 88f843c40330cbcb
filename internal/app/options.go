package app

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

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
	// are kept.
	Telemetry, Security, History Retention
	// CacheBytes bounds the memory for records read from the store.
	CacheBytes int64
	// AcceptLoss lets the hub start on a journal so damaged that it cannot say
	// which of the newest changes are lost. It is for one start.
	AcceptLoss bool
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
}

// Retention bounds what is kept by age and by size; the tighter one counts.
type Retention struct {
	MaxAge   time.Duration
	MaxBytes int64
}

// DefaultOptions are a hub on the standard ports with its data in the current
// directory, keeping a week of telemetry, a month of security messages and a
// week of history.
func DefaultOptions() Options {
	const day, gib = 24 * time.Hour, 1 << 30
	return Options{
		Data:       "tvilling-data",
		MQTT:       ":8883",
		Admin:      "127.0.0.1:8444",
		Telemetry:  Retention{MaxAge: 7 * day, MaxBytes: 4 * gib},
		Security:   Retention{MaxAge: 30 * day, MaxBytes: 4 * gib},
		History:    Retention{MaxAge: 7 * day, MaxBytes: 2 * gib},
		CacheBytes: 128 << 20,
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
	o.History = o.History.fill(d.History)
	if o.CacheBytes == 0 {
		o.CacheBytes = d.CacheBytes
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
	for name, r := range map[string]Retention{"telemetry": o.Telemetry, "security": o.Security, "history": o.History} {
		if r.MaxAge < 0 {
			errs = append(errs, fmt.Errorf("%s: the longest age must not be negative", name))
		}
		if r.MaxBytes != 0 && r.MaxBytes < smallest {
			errs = append(errs, fmt.Errorf("%s: the largest size must be at least 64 MiB", name))
		}
	}
	if o.CacheBytes < 0 {
		errs = append(errs, errors.New("the cache size must not be negative"))
	}
	return errors.Join(errs...)
}
