package link_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/link"
)

func TestPatch(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		pass(time.Minute)
		f.desire(6, `{"b":{"c":true},"$version":6}`, `{"a":1,"b":{"c":true},"$version":6}`)
		synctest.Wait()
		if got := a.told(); len(got) != 2 || got[1] != `{"a":1,"$version":6,"b":{"c":true}}` {
			t.Errorf("told %q", got)
		}
		// An old one, and the same once more.
		f.desire(6, `{"a":7,"$version":6}`, f.desired)
		f.desire(4, `{"a":8,"$version":4}`, f.desired)
		pass(time.Minute)
		if got := a.told(); len(got) != 2 {
			t.Errorf("told %q", got)
		}
		if s := a.State(); s.Patches != 3 || s.Twins != 1 {
			t.Errorf("State = %+v, want 3 patches, and no reading yet to see if the first was one", s)
		}
		pass(time.Hour)
		if s := a.State(); s.Twins != 2 {
			t.Errorf("State = %+v, want a reading to see if the first was a patch", s)
		}
	})
}

func TestGap(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		f.desire(8, `{"b":2,"$version":8}`, `{"b":2,"c":3,"$version":8}`)
		pass(3 * time.Second)
		if got := a.told(); len(got) != 2 || got[1] != f.desired {
			t.Errorf("told %q, want at last %s", got, f.desired)
		}
	})
}

func TestReplacement(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		f.desire(6, `{"b":{"d":2},"c":2,"$version":6}`, `{"b":{"d":2},"c":2,"$version":6}`)
		pass(4 * time.Second)
		if got := a.told(); got[len(got)-1] != `{"b":{"d":2},"c":2,"$version":6}` {
			t.Errorf("told %q, want that a is gone at last", got)
		}
		// One of a single value looks like a change, and is found within the hour;
		// sooner when another one raises the doubt.
		f.desire(7, `{"b":{"d":3},"$version":7}`, `{"b":{"d":3},"$version":7}`)
		pass(time.Minute)
		if got := a.told(); got[len(got)-1] != `{"b":{"d":3},"$version":7,"c":2}` && got[len(got)-1] != `{"b":{"d":3},"c":2,"$version":7}` {
			t.Errorf("told %q, want that c is still there", got)
		}
		pass(time.Hour)
		if got := a.told(); got[len(got)-1] != f.desired {
			t.Errorf("told %q, want that c is gone at last", got)
		}
		f.desire(8, `{"e":1,"$version":8}`, `{"e":1,"$version":8}`)
		pass(time.Minute)
		f.desire(9, `{"e":2,"f":1,"$version":9}`, `{"e":2,"f":1,"$version":9}`)
		pass(4 * time.Second)
		if got := a.told(); got[len(got)-1] != f.desired {
			t.Errorf("told %q, want that b is gone at last", got)
		}
		f.desire(10, `{"b":3,"$version":10}`, `{"b":3,"$version":10}`)
		pass(2 * time.Hour)
		// One that names all there is leaves no doubt.
		gets := f.has().gets
		f.desire(11, `{"$version":11,"b":3}`, `{"b":3,"$version":11}`)
		pass(time.Minute)
		if f.has().gets != gets {
			t.Error("the twin is read although there is no doubt")
		}
	})
}

func TestPatchThatCannotBeMerged(t *testing.T) {
	for _, body := range []string{`{`, `[]`, `{"a":2}`, `{"a":2,"$version":9}`, `{"$version":null}`, `{"x":"` + strings.Repeat("y", link.MaxSection) + `","$version":6}`} {
		run(t, nil, func(t *testing.T, f *fake, a *agent) {
			f.desire(6, body, `{"a":2,"$version":6}`)
			pass(4 * time.Second)
			if got := a.told(); got[len(got)-1] != f.desired {
				t.Errorf("after %.30s told %.200q, want at last %s", body, got, f.desired)
			}
			if s := a.State(); s.Connects != 1 {
				t.Errorf("after %.30s: State = %+v", body, s)
			}
		})
	}
}

func TestTwinThatChangesAllTheTime(t *testing.T) {
	run(t, nil, func(t *testing.T, f *fake, a *agent) {
		began := time.Now()
		version := 5
		for time.Since(began) < time.Minute {
			version++
			text := fmt.Sprintf(`{"a":%d,"$version":%d}`, version, version)
			f.desire(version, text, text)
			pass(3 * time.Millisecond)
		}
		pass(5 * time.Second)
		got := a.told()
		if got[len(got)-1] != f.desired {
			t.Errorf("told %s at last, want %s", got[len(got)-1], f.desired)
		}
		if n := len(got); n < 20 || n > 65 {
			t.Errorf("told %d times in a minute", n)
		}
		if f.has().gets > 35 {
			t.Errorf("%d readings in a minute", f.has().gets)
		}
		if s := a.State(); int(s.Patches) != version-5 {
			t.Errorf("State = %+v, want %d patches", s, version-5)
		}
	})
}

func TestTooLargeTwin(t *testing.T) {
	run(t, func(f *fake, _ *link.Options) {
		f.desired = `{"a":"` + strings.Repeat("x", link.MaxSection) + `","$version":5}`
	}, func(t *testing.T, f *fake, a *agent) {
		pass(3 * time.Second)
		if got := a.told(); len(got) != 0 {
			t.Errorf("told of %d bytes", len(got[0]))
		}
		if s := a.State(); !s.Connected {
			t.Errorf("State = %+v", s)
		}
		f.set(func() { f.desired = `{"$version":6}` })
		pass(2 * time.Minute)
		if got := a.told(); len(got) != 1 || got[0] != `{"$version":6}` {
			t.Errorf("told %q", got)
		}
	})
}

func TestMergingIsBounded(t *testing.T) {
	if got := link.MergedAfter(3); got != 4 {
		t.Errorf("after 3 patches the version is %d, want 4", got)
	}
	if got := link.MergedAfter(1000); got > 20 {
		t.Errorf("after 1000 patches the version is %d: each of them was merged", got)
	}
}
