package detection

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/command"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	sequenceForm = 1
	// maxDownloads and maxRuns bound what is remembered of each.
	maxDownloads, maxRuns = 12, 8
	// maxAggregate is the longest time that an aggregated event may span.
	maxAggregate = 24 * 3600
	// maxLine is how much of a command line is read.
	maxLine = 8 << 10
)

type downloadThenRun struct {
	info *detect.Info
	line command.Line
}

// DownloadThenRunSequence finds a file that one process downloads and another
// one runs shortly after, directly or by an interpreter, under its own name or
// one that it was copied or renamed to. Agents aggregate processes and tell of
// them in no order: runs from places where downloads go are remembered, too,
// and found when the download comes later. Both in one command line is the
// matter of a rule of its own.
func DownloadThenRunSequence() detect.Stateful {
	return &downloadThenRun{info: &detect.Info{
		ID: "download-then-run-sequence", Type: "IoT_LinuxBackdoor", Title: "Downloaded file was run", Severity: ledger.Medium,
		Description: "A program such as curl or wget saved a file, and within minutes that file was run. Malware installs itself that way.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm with the user named that they ran it, and look at where the file came from.",
			"If not, take the device off the network, keep the file for study, and restore the device from a known state.",
		},
		Techniques: []string{"T1105", "T1059.004"}, Tactics: []string{"Command and Control", "Execution"},
		FalsePositives: []string{"Installers and updates that are fetched as a script and then run."},
		Parameters: []detect.Parameter{
			{Name: "window", Description: "How long after the download a run counts.", Unit: "seconds", Default: 600, Min: 10, Max: 86400},
		},
	}}
}

func (d *downloadThenRun) Info() *detect.Info { return d.info }

func (d *downloadThenRun) Kinds() []event.Kind { return []event.Kind{event.ProcessCreateKind} }

// trace is a file that was downloaded or run, some time between two seconds.
type trace struct {
	path, base uint32 // path is 0 for a relative one
	// placed says that it lies where somebody may have put it.
	placed     bool
	start, end int64
}

func traceOf(f file, start, end int64) trace {
	t := trace{base: uint32(digest(f.base)), start: start, end: end, placed: f.relative || inPlaces(f.path)}
	if !f.relative {
		t.path = max(1, uint32(digest(f.path)))
	}
	return t
}

// same reports whether a run is of the file that was downloaded. Where only
// one of both names a folder, the last part decides if the run is of a file
// that may have been brought.
func (t trace) same(run trace) bool {
	if t.path != 0 && run.path != 0 {
		return t.path == run.path
	}
	return t.base == run.base && run.placed
}

// follows reports whether a run may have come after the download, within the window.
func (t trace) follows(run trace, window int64) bool {
	return run.end >= t.start && run.start-t.end <= window
}

func (d *downloadThenRun) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	downloads, runs := recallTraces(s.Memory())
	window := p("window")
	downloads = slices.DeleteFunc(downloads, func(t trace) bool { return far(t.end, e.Time.Unix(), window+maxAggregate/24) })
	changed := false
	for i, it := range e.Items {
		c, ok := it.(*event.ProcessCreate)
		if !ok || len(downloads) == 0 && !worth(c.Executable, c.CommandLine) {
			continue
		}
		did := deedsOf(&d.line, c.Executable, c.CommandLine[:min(len(c.CommandLine), maxLine)])
		start, end := interval(e, c)
		fresh := func(f file, counterparts []trace, keep bool) (hit trace, found bool) {
			t := traceOf(f, start, end)
			for _, o := range counterparts {
				if keep && o.same(t) && o.follows(t, window) || !keep && t.same(o) && t.follows(o, window) {
					return o, true
				}
			}
			return trace{}, false
		}
		own := len(downloads)
		for _, f := range did.saved {
			if run, ok := fresh(f, runs, false); ok {
				s.Report(sequence(e, i, c, f, start, run.start))
			}
			downloads, changed = keepTrace(downloads, traceOf(f, start, end), maxDownloads), true
		}
		for _, pair := range did.copied {
			if from, ok := lookup(downloads, traceOf(pair[0], start, end), window); ok {
				t := traceOf(pair[1], from.start, from.end)
				downloads, changed = keepTrace(downloads, t, maxDownloads), true
			}
		}
		for _, f := range did.run {
			t := traceOf(f, start, end)
			if dl, ok := fresh(f, downloads[:min(own, len(downloads))], true); ok {
				s.Report(sequence(e, i, c, f, dl.start, start))
				break // a process runs one thing, by whatever names
			} else if f.relative || temporary(f.path) {
				runs, changed = keepTrace(runs, t, maxRuns), true
			}
		}
	}
	if changed {
		s.Remember(tracesMemory(downloads, runs, e.Time.Unix(), window))
	}
}

// lookup returns the download that a file is.
func lookup(downloads []trace, t trace, window int64) (trace, bool) {
	for _, d := range downloads {
		if d.same(t) && d.follows(t, window) {
			return d, true
		}
	}
	return trace{}, false
}

func sequence(e *event.Event, item int, c *event.ProcessCreate, f file, downloaded, run int64) detect.Finding {
	name := f.path
	if f.relative {
		name = f.base
	}
	return detect.Finding{
		Cause: detect.Cause(f.base), Hits: event.Hits(c), Time: e.Time, Event: e, Item: item,
		Matched: []ledger.Match{
			{Selection: "file", Field: "CommandLine", Value: name},
			{Selection: "downloaded", Field: "Time", Value: stamp(downloaded)},
			{Selection: "run", Field: "Time", Value: stamp(run)},
		},
	}
}

func stamp(second int64) string { return time.Unix(second, 0).UTC().Format(time.RFC3339) }

// keepTrace adds a trace; the newest at the end push out the first.
func keepTrace(list []trace, t trace, limit int) []trace {
	list = slices.DeleteFunc(list, func(o trace) bool { return o.path == t.path && o.base == t.base && o.start == t.start })
	list = append(list, t)
	if len(list) > limit {
		list = slices.Delete(list, 0, len(list)-limit)
	}
	return list
}

// interval returns when a process was started: the time of its event, or for
// an aggregated one the time that it spans. Where the hub corrected the
// device's time, it corrects these alike.
func interval(e *event.Event, c *event.ProcessCreate) (start, end int64) {
	second := e.Time.Unix()
	if len(c.Extra) == 0 {
		return second, second
	}
	from, ok := detailTime(c.Extra, "StartTimeUtc")
	to, also := detailTime(c.Extra, "EndTimeUtc")
	if !ok || !also || to < from || to-from > maxAggregate {
		return second, second
	}
	if !e.Stated.IsZero() {
		shift := second - e.Stated.Unix()
		from, to = from+shift, to+shift
	}
	if to > second+maxAggregate || from < second-2*maxAggregate {
		return second, second
	}
	return from, to
}

// detailTime reads a time in one of the forms that agents write (asc §3.7).
func detailTime(d event.Details, name string) (int64, bool) {
	s, ok := d.Get(name)
	if !ok {
		return 0, false
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z", "2006-01-02 15:04:05", "01/02/2006 15:04:05"} {
		if t, err := time.Parse(form, strings.TrimSpace(s)); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// recallTraces reads a memory; one that cannot be read is empty.
func recallTraces(memory []byte) (downloads, runs []trace) {
	r := open(memory, sequenceForm)
	base := r.varint()
	downloads, runs = r.traces(base, maxDownloads), r.traces(base, maxRuns)
	if r.bad {
		return nil, nil
	}
	return downloads, runs
}

func (r *reader) traces(base int64, limit int) []trace {
	var list []trace
	for range r.count(11) {
		t := trace{placed: r.byte() == 1, path: r.uint32(), base: r.uint32()}
		t.start = base + r.varint()
		t.end = t.start + int64(min(r.uvarint(), maxAggregate))
		list = append(list, t)
	}
	if len(list) > limit {
		r.bad = true
	}
	return list
}

// tracesMemory writes a memory, without what can count no more.
func tracesMemory(downloads, runs []trace, now, window int64) []byte {
	old := func(t trace) bool {
		return now-t.end > 2*window+maxAggregate/12 || t.start-now > 2*window+maxAggregate/12
	}
	downloads, runs = slices.DeleteFunc(downloads, old), slices.DeleteFunc(runs, old)
	if len(downloads)+len(runs) == 0 {
		return nil
	}
	b := binary.AppendVarint([]byte{sequenceForm}, now)
	for _, list := range [][]trace{downloads, runs} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, t := range list {
			placed := byte(0)
			if t.placed {
				placed = 1
			}
			b = append(b, placed)
			b = binary.LittleEndian.AppendUint32(b, t.path)
			b = binary.LittleEndian.AppendUint32(b, t.base)
			b = binary.AppendVarint(b, t.start-now)
			b = binary.AppendUvarint(b, uint64(t.end-t.start))
		}
	}
	return b
}
