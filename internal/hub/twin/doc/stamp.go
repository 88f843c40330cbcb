package doc

import "time"

// Stamp says when and by whom a section is changed. Times are kept in UTC to
// 100 ns; a zero Time counts as none.
type Stamp struct {
	Time  time.Time
	Actor string
}

const (
	ticksPerSecond = 10_000_000
	// unixTicks is 1970-01-01 in ticks, which count from 0001-01-01 on.
	unixTicks = 62135596800 * ticksPerSecond
	// maxTicks is the end of the year 9999, the last that the text form can say.
	maxTicks = (253402300799+62135596800)*ticksPerSecond + ticksPerSecond - 1
)

// ticksOf converts t, and limits it to what the text form can say.
func ticksOf(t time.Time) int64 {
	s := t.Unix()
	if s < -unixTicks/ticksPerSecond {
		return 0
	}
	if s > (maxTicks-unixTicks)/ticksPerSecond {
		return maxTicks
	}
	return s*ticksPerSecond + unixTicks + int64(t.Nanosecond()/100)
}

func timeOf(ticks int64) time.Time {
	t := ticks - unixTicks
	return time.Unix(t/ticksPerSecond, t%ticksPerSecond*100).UTC()
}

// appendTime appends ticks as $lastUpdated shows them: UTC, up to 7 fractional
// digits, ending in Z (wire §2.1).
func appendTime(dst []byte, ticks int64) []byte {
	return timeOf(ticks).AppendFormat(dst, "2006-01-02T15:04:05.9999999Z07:00")
}

// row is a stamp in the table of a section.
type row struct {
	ticks   int64
	version int64
	actor   uint32
	// count is how many members bear the stamp; 0 = free place.
	count uint32
	// at and n are where the JSON of this stamp was already written.
	at, n int
}

// lastActor marks the row of the change that is being made.
const lastActor = ^uint32(0)

// stamps reads the table of h, appending to actors and rows, which the caller
// may have on its stack.
func (h *header) stamps(actors [][]byte, rows []row) ([][]byte, []row, bool) {
	t := h.table
	if len(t) == 0 {
		return actors, rows, true
	}
	count, i := uvarint(t, 0)
	for ; count > 0; count-- {
		n, j := uvarint(t, i)
		if j < 0 || n > uint64(len(t)-j) {
			return actors, rows, false
		}
		i = j + int(n)
		actors = append(actors, t[j:i])
	}
	if i < 0 {
		return actors, rows, false
	}
	for i < len(t) {
		bearers, j := uvarint(t, i)
		if bearers == 0 && j > 0 {
			rows, i = append(rows, row{}), j
			continue
		}
		age, j := uvarint(t, j)
		versions, j := uvarint(t, j)
		actor, j := uvarint(t, j)
		if j < 0 || bearers > maxStored || age > uint64(h.ticks) || versions > uint64(h.version) || actor >= uint64(len(actors)) {
			return actors, rows, false
		}
		rows = append(rows, row{
			ticks: h.ticks - int64(age), version: h.version - int64(versions),
			actor: uint32(actor), count: uint32(bearers),
		})
		i = j
	}
	return actors, rows, true
}

// appendStamps appends the table of a section that was last changed at ticks
// to version by actor. Actors and trailing places that nobody bears any more
// are left out.
func appendStamps(dst []byte, rows []row, actors [][]byte, actor string, ticks, version int64) []byte {
	var buf [8]uint32
	places := buf[:0]
	if len(actors) > len(buf) {
		places = make([]uint32, 0, len(actors))
	}
	places = places[:len(actors)]
	live := 0
	for i := range rows {
		if r := &rows[i]; r.count != 0 {
			live = i + 1
			if r.actor != lastActor {
				places[r.actor] = 1
			}
		}
	}
	used := uint32(1)
	for i, a := range actors {
		switch {
		case places[i] == 0:
		case string(a) == actor:
			places[i] = 0
		default:
			places[i] = used
			used++
		}
	}
	dst = appendUvarint(dst, uint64(used))
	dst = appendUvarint(dst, uint64(len(actor)))
	dst = append(dst, actor...)
	for i, a := range actors {
		if places[i] != 0 {
			dst = appendUvarint(dst, uint64(len(a)))
			dst = append(dst, a...)
		}
	}
	for i := range rows[:live] {
		r := &rows[i]
		dst = appendUvarint(dst, uint64(r.count))
		if r.count == 0 {
			continue
		}
		dst = appendUvarint(dst, uint64(ticks-r.ticks))
		dst = appendUvarint(dst, uint64(version-r.version))
		place := uint32(0)
		if r.actor != lastActor {
			place = places[r.actor]
		}
		dst = appendUvarint(dst, uint64(place))
	}
	return dst
}
