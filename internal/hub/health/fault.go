package health

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Gravity says how bad a fault is.
type Gravity string

// The gravities.
const (
	// Severe: something is lost or refused now, or about to be.
	Severe Gravity = "severe"
	// Warning: it works, and somebody should see to it.
	Warning Gravity = "warning"
)

// Fault is something that is wrong with a hub.
type Fault struct {
	Gravity Gravity `json:"gravity"`
	// Short is for a narrow place: "disk almost full".
	Short string `json:"short"`
	// What says what is wrong and what still works, Do what to do.
	What string `json:"what"`
	Do   string `json:"do"`
	// About is what it is about: "disk", "commit", "sink:siem", ….
	About string `json:"about"`
}

// Limits from which on something is wrong.
const (
	slowCommit = 250.0 // milliseconds
	// enoughWrites is how many writes there must be for one of 100 to count.
	enoughWrites = 100
	longQueue    = 10_000
	farBehind    = 10_000
	leastFree    = 1 << 30
	leastShare   = 0.05
	soonFull     = 3 * 24 * time.Hour
	soonOver     = 14 * 24 * time.Hour
	sinkBehind   = 1000
	indexGrace   = 5 * time.Minute
	sinkMissing  = "entries of the feed were dropped before it could take them"
)

// Faults returns what is wrong, the worst first; none for a hub that is well.
func (f *Facts) Faults() (list []Fault) {
	add := func(wrong bool, g Gravity, about, short, what, do string) {
		if wrong {
			list = append(list, Fault{Gravity: g, About: about, Short: short, What: what, Do: do})
		}
	}
	f.commitFaults(add)
	f.diskFaults(add)
	f.readerFaults(add)
	f.sinkFaults(add)
	left := f.CertificateEnds.Sub(f.Time)
	add(!f.CertificateEnds.IsZero() && left <= 0, Severe, "certificate", "certificate has ended", "The server certificate has ended: devices that check it no longer connect.", "Put a new certificate in the place of the old one; it is loaded within seconds.")
	add(!f.CertificateEnds.IsZero() && left > 0 && left < soonOver, Warning, "certificate", "certificate ends soon", fmt.Sprintf("The server certificate ends on %s.", f.CertificateEnds.UTC().Format("2 Jan 2006 15:04 UTC")), "Put a new certificate in the place of the old one; it is loaded within seconds.")
	add(f.Corrupt > 0, Severe, "damage", "damaged records", fmt.Sprintf("%d reads were refused because what is on disk is damaged. Everything else works.", f.Corrupt), "The log says which records; put the data back from a backup, or delete and make anew what is damaged.")
	add(f.Index.On && !f.Index.Ready && f.Time.Sub(f.Started) > indexGrace, Warning, "index", "index not ready", "The index of the twins is still being built: queries look at all twins, slowly.", "Wait; the log says how far it is.")
	add(f.Index.Left > 0, Warning, "index", "index short of memory", fmt.Sprintf("%d paths have no room in the index; queries over them look at the twins themselves.", f.Index.Left), "Give the index more memory: query.index_memory in the configuration file.")
	add(f.BrokenDetections > 0, Warning, "detections", "rules not in force", fmt.Sprintf("%d detections are switched on and not in force, since their rules cannot be read.", f.BrokenDetections), "Mend or delete the rules; the list of detections says what is wrong with each.")
	add(f.DeadLettersShed > 0, Warning, "deadletters", "dead letters dropped", fmt.Sprintf("%d messages that could not be read found no room among the dead letters and were only counted.", f.DeadLettersShed), "Look at the newest dead letters for which device sends them.")
	add(f.PosturesFailing > 0, Warning, "posture", "postures not written", fmt.Sprintf("The posture of %d devices could not be written to their twins and is tried again.", f.PosturesFailing), "The log says why.")
	add(f.AdoptionFailed > 0, Warning, "adoption", "devices without module", fmt.Sprintf("%d devices could not be given their security module.", f.AdoptionFailed), "The log says why; they are tried again at the next start.")
	slices.SortStableFunc(list, func(a, b Fault) int { return cmp.Compare(rank(a.Gravity), rank(b.Gravity)) })
	return list
}

func rank(g Gravity) int {
	if g == Severe {
		return 0
	}
	return 1
}

type adder func(wrong bool, g Gravity, about, short, what, do string)

func (f *Facts) commitFaults(add adder) {
	c := &f.Commit
	add(c.Ledger != "", Severe, "ledger", "alerts not kept", "The store of alerts takes no more commits: "+c.Ledger+". Devices keep connecting.", "Restart the hub; it recovers what is durable. See that the disk is well and has room.")
	add(c.WriteBack != "", Severe, "store", "store cannot be written", "Records cannot be written to the store: "+c.WriteBack+". Changes are durable in the journal, which grows.", "See that the disk is well and has room.")
	add(c.Refused > 0, Severe, "commit", "changes were refused", fmt.Sprintf("%d changes were refused for want of space since the start.", c.Refused), "Make room on the disk of the data directory.")
	add(c.P99 > slowCommit && c.Writes >= enoughWrites || c.P50 > slowCommit, Warning, "commit", "slow disk", fmt.Sprintf("In the last minute the slowest of 100 writes took up to %.0f ms.", c.P99), "See what else uses the disk of the data directory.")
	add(c.Queue > longQueue, Warning, "commit", "changes queue up", fmt.Sprintf("%d changes wait to be made durable.", c.Queue), "See what else uses the disk, and who sends so many changes.")
}

func (f *Facts) diskFaults(add adder) {
	d := &f.Disk
	full, growing := d.Full()
	free := fmt.Sprintf("%.1f GiB of %.1f GiB are free", float64(d.Free)/(1<<30), float64(d.Total)/(1<<30))
	low := d.Total > 0 && (d.Free < leastFree || float64(d.Free) < leastShare*float64(d.Total))
	add(low, Severe, "disk", "disk almost full", "On the disk of the data directory "+free+". When it is full, changes and messages are refused; nothing is lost.", "Make room, or lower the limits of what is kept in the configuration file.")
	add(!low && growing && full < soonFull, Warning, "disk", "disk fills up", fmt.Sprintf("On the disk of the data directory %s; at the present rate it is full in about %.0f hours.", free, full.Hours()), "Make room, or lower the limits of what is kept in the configuration file.")
	for i := range f.Stores {
		s := &f.Stores[i]
		add(s.Held > 0, Warning, "storage", s.Name+" beyond its limit", fmt.Sprintf("%d messages of %s are kept beyond their limits, since they wait to be looked at.", s.Held, s.Name), "See why the reader is behind; it may want more processors.")
	}
}

func (f *Facts) readerFaults(add adder) {
	for _, r := range f.Readers {
		add(r.Behind > farBehind, Warning, "reader:"+r.Name, r.Name+" behind", fmt.Sprintf("%s has %d entries to look at: what it concludes is late by that.", r.Name, r.Behind), "It catches up by itself if there is less to do; see who sends so much.")
	}
}

func (f *Facts) sinkFaults(add adder) {
	for _, s := range f.Sinks {
		add(s.Missed > 0, Severe, "sink:"+s.Name, "sink "+s.Name+" missed alerts", fmt.Sprintf("Sink %s missed %d entries: %s.", s.Name, s.Missed, sinkMissing), "Export the alerts of that time, and see that the receiver answers.")
		add(s.Error != "", Warning, "sink:"+s.Name, "sink "+s.Name+" fails", fmt.Sprintf("Sink %s cannot be told, and is %d entries behind: %s", s.Name, s.Behind, s.Error), "See to the receiver; it gets what it missed. The sink's test says whether it is well.")
		add(s.Error == "" && s.Behind > sinkBehind, Warning, "sink:"+s.Name, "sink "+s.Name+" behind", fmt.Sprintf("Sink %s is %d entries behind.", s.Name, s.Behind), "See whether its receiver is slow.")
	}
}
