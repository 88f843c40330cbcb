//go:build linux

package kernel

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkEBPFPrograms starts short programs and says what the kernel's part
// of observing costs: the programs' time by process.
func BenchmarkEBPFPrograms(b *testing.B) {
	stats, err := bpf(unix.BPF_ENABLE_STATS, &struct{ kind uint32 }{unix.BPF_STATS_RUN_TIME})
	if err != nil {
		b.Skip(err)
	}
	defer unix.Close(stats)
	src, reason, err := OpenEBPF(EBPFOptions{Processes: true, RingBytes: 8 << 20})
	if err != nil {
		b.Fatal(err)
	}
	if reason != nil {
		b.Skip(reason.Why)
	}
	n := 0
	for b.Loop() {
		start(b, "/bin/true", "--some", "arguments")
		n++
	}
	spent := uint64(0)
	for _, p := range src.(*ebpfSource).programs {
		info, err := readProgramInfo(p)
		if err != nil {
			b.Fatal(err)
		}
		if info.Runs < uint64(n) {
			b.Errorf("a program ran %d times for %d processes", info.Runs, n)
		}
		spent += info.RunTime
	}
	b.ReportMetric(float64(spent)/float64(n), "kernel-ns/op")
	if err := src.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkEBPFTake is the reader's part of one process: three records.
func BenchmarkEBPFTake(b *testing.B) {
	told := 0
	s := &ebpfSource{wall: time.Now(), handle: func(*Happening) { told++ }}
	m := newMemoryRing(64 << 10)
	records := []string{
		string(ringRecord(Fork, 0, 0, 0, [4]byte{}, "")),
		string(ringRecord(Exec, flagUID, 10, 20, [4]byte{}, "/bin/true\x00--some\x00arguments\x00\x00\x00\x00\x00")),
		string(ringRecord(Exit, 0, 0, 0, [4]byte{}, "")),
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, p := range records {
			m.put(p, 0)
		}
		if _, err := m.drain(s.take); err != nil {
			b.Fatal(err)
		}
		s.ended = [8]int32{}
		n++
	}
	if told != 3*n {
		b.Fatal(errors.New("records were lost"))
	}
}
