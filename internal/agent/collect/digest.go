//go:build linux

package collect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	// maxDigests bounds the digests that are remembered.
	maxDigests = 1024
	// maxDigestFile bounds the files that are read for their digest, in bytes.
	maxDigestFile = 64 << 20
	// Of files that wait to be read there are at most so many, with so many
	// bytes together, for so many events: which is how long an event can wait.
	maxDigestJobs  = 64
	maxDigestBytes = 128 << 20
	maxDigestHeld  = 512
	// digestPiece is what is read between two looks at the budget.
	digestPiece = 128 << 10
)

// hashDetail is the member of ExtraDetails that has the digest (asc §3.4).
const hashDetail = "Hash"

// digests knows the SHA-256 of programs. A digest is remembered for as long as
// the file is the same by its device, number, size and times. Of a file that is
// not known yet the event waits, off the path of events: the file is open then,
// so that it does not matter that the process is gone, or the file is deleted.
type digests struct {
	to   Sink
	wait func(context.Context) error

	mu    sync.Mutex
	known recent[digestKey, string]
	jobs  []*digestJob // in the order in which they came
	bytes int64        // of all jobs
	held  int          // events of all jobs
	wake  chan struct{}
	// ended says that nobody reads any more.
	ended bool
}

// digestKey says that a file is the same as it was.
type digestKey struct {
	dev, ino            uint64
	size                int64
	mtimeSec, mtimeNsec int64
	ctimeSec, ctimeNsec int64
}

// digestJob is a file to be read, and the events that wait for it.
type digestJob struct {
	id   digestKey
	file *os.File
	held []heldEvent
}

type heldEvent struct {
	at   time.Time
	item *event.ProcessCreate
}

func newDigests(to Sink, wait func(context.Context) error) *digests {
	return &digests{to: to, wait: wait, known: newRecent[digestKey, string](maxDigests), wake: make(chan struct{}, 1)}
}

func digestKeyOf(st *unix.Stat_t) digestKey {
	return digestKey{
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size, //nolint:unconvert // Dev has other types on other machines
		mtimeSec: int64(st.Mtim.Sec), mtimeNsec: int64(st.Mtim.Nsec), //nolint:unconvert // 32 bits on 32-bit machines
		ctimeSec: int64(st.Ctim.Sec), ctimeNsec: int64(st.Ctim.Nsec), //nolint:unconvert // as above
	}
}

// lookup returns the digest of a file if it is known.
func (d *digests) lookup(id digestKey) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known.get(id)
}

// join adds an event to those that wait for a file that is to be read already.
func (d *digests) join(id digestKey, e heldEvent) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held >= maxDigestHeld {
		return false
	}
	for _, j := range d.jobs {
		if j.id == id {
			j.held = append(j.held, e)
			d.held++
			return true
		}
	}
	return false
}

// hold takes an event that waits for the digest of file, which is closed when
// it was read. False says that there is no room; nothing is taken then.
func (d *digests) hold(id digestKey, file *os.File, e heldEvent) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || len(d.jobs) >= maxDigestJobs || d.held >= maxDigestHeld || d.bytes+id.size > maxDigestBytes {
		return false
	}
	d.jobs = append(d.jobs, &digestJob{id: id, file: file, held: []heldEvent{e}})
	d.bytes += id.size
	d.held++
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return true
}

// run reads files until ctx ends. The events that still wait then are told
// without a digest.
func (d *digests) run(ctx context.Context) {
	buf := []byte(nil)
	for {
		d.mu.Lock()
		var j *digestJob
		if len(d.jobs) > 0 {
			j = d.jobs[0]
		}
		d.mu.Unlock()
		if j == nil {
			buf = nil // programs that are new are rare
			select {
			case <-ctx.Done():
				d.end()
				return
			case <-d.wake:
			}
			continue
		}
		if buf == nil {
			buf = make([]byte, digestPiece)
		}
		sum, err := d.read(ctx, j, buf)
		d.finish(j, sum, err)
		if ctx.Err() != nil {
			d.end()
			return
		}
	}
}

// errChanged says that a file was written to while it was read.
var errChanged = errors.New("the file has changed")

// read returns the digest of a job's file.
func (d *digests) read(ctx context.Context, j *digestJob, buf []byte) (string, error) {
	h := sha256.New()
	for {
		if err := d.wait(ctx); err != nil {
			return "", err
		}
		n, err := j.file.Read(buf)
		_, _ = h.Write(buf[:n]) // never fails
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(j.file.Fd()), &st); err != nil {
		return "", err
	}
	if now := digestKeyOf(&st); now.size != j.id.size || now.mtimeSec != j.id.mtimeSec || now.mtimeNsec != j.id.mtimeNsec {
		return "", errChanged // a deletion changes the ctime, and nothing else
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// finish tells the events that waited for a job, which is done or failed.
func (d *digests) finish(j *digestJob, sum string, err error) {
	j.file.Close()
	d.mu.Lock()
	if err == nil {
		d.known.put(j.id, sum)
	}
	d.jobs = d.jobs[1:]
	d.bytes -= j.id.size
	d.held -= len(j.held)
	held := j.held
	d.mu.Unlock()
	if err != nil && len(held) > 0 {
		d.to.Lost(event.ProcessCreateKind, uint64(len(held)), lostHash)
	}
	for _, e := range held {
		e.item.Extra = detail(e.item.Extra, hashDetail, sum)
		d.to.Observe(e.at, e.item)
	}
}

// end lets go of all jobs.
func (d *digests) end() {
	d.mu.Lock()
	d.ended = true
	d.mu.Unlock()
	for {
		d.mu.Lock()
		if len(d.jobs) == 0 {
			d.mu.Unlock()
			return
		}
		j := d.jobs[0]
		d.mu.Unlock()
		d.finish(j, "", context.Canceled)
	}
}
