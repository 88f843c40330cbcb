package crash_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// TestCrashConfigurations kills hubs, and cuts their power, while configurations
// come, change, roll out, go back and go, and while services move twins from one
// target to another. After each start all twins come to have what the
// configurations that there are then say together, and nothing else.
func TestCrashConfigurations(t *testing.T) {
	t.Parallel()
	t.Run("kill", func(t *testing.T) {
		t.Parallel()
		chains(t, 5, newConfigurers, processes(t, 60*time.Millisecond))
	})
	t.Run("power", func(t *testing.T) {
		t.Parallel()
		chains(t, 5, newConfigurers, powers)
	})
}

// groups is how many groups of devices there are; a tag says which one a device is in.
const groups = 3

// configurers is one who makes configurations, and those who tag the devices.
type configurers struct {
	maker   *configurer
	taggers []*tagger
}

func newConfigurers(random *rand.Rand) crew {
	child := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	c := &configurers{maker: &configurer{random: child(), acked: map[string]bool{}}}
	for i := range 3 {
		t := &tagger{random: child()}
		for n := range 10 {
			t.ids = append(t.ids, tvilling.Device(name("tagged", 10*i+n)))
		}
		c.taggers = append(c.taggers, t)
	}
	return c
}

func (c *configurers) list() []worker {
	list := []worker{c.maker}
	for _, t := range c.taggers {
		list = append(list, t)
	}
	return list
}

func (c *configurers) most() float64 { return 600 }

func (c *configurers) setUp(l *life) {
	l.t.Helper()
	for _, w := range c.list() {
		w.setUp(l)
	}
}

func (c *configurers) verify(l *life) {
	l.t.Helper()
	for _, w := range c.list() {
		w.verify(l)
	}
	if l.t.Failed() {
		return
	}
	list, err := l.api.Configurations(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	// The first of those that want a place has its way.
	slices.SortFunc(list, func(a, b *client.Configuration) int {
		return cmp.Or(b.Priority-a.Priority, b.Created.Compare(a.Created))
	})
	for _, t := range c.taggers {
		for i, id := range t.ids {
			if !t.at[i].gone {
				converges(l, id, t.at[i], list, c.maker.back)
			}
		}
	}
	verifyJournal(l) // nothing is written any more
}

// converges waits until a twin has what configurations say, the most important
// first, and nothing of those that were rolled back.
func converges(l *life, id tvilling.Identity, at tagged, list []*client.Configuration, back map[string]bool) {
	l.t.Helper()
	values, marks := map[string]string{}, map[string]string{}
	if at.n > 0 {
		values["h"] = fmt.Sprint(at.n)
	}
	var claimed []string
	for _, c := range list {
		if !targets(c.TargetCondition, at.group) {
			continue
		}
		marks[c.ID] = "Targeted"
		if back[c.ID] {
			continue
		}
		var content struct{ DeviceContent map[string]json.RawMessage }
		if err := json.Unmarshal(c.Content, &content); err != nil {
			l.t.Fatal(err)
		}
		for path, value := range content.DeviceContent {
			path = strings.TrimPrefix(path, "properties.desired.")
			meets := func(other string) bool {
				return strings.HasPrefix(other+".", path+".") || strings.HasPrefix(path+".", other+".")
			}
			if !slices.ContainsFunc(claimed, meets) {
				values[path], marks[c.ID] = string(value)+" by "+c.ID, "Applied"
				claimed = append(claimed, path)
			}
		}
	}
	var gotValues, gotMarks map[string]string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) { //nolint:forbidigo // a condition with a deadline
		twin, err := l.api.Twin(l.ctx, id)
		if err != nil {
			l.t.Fatal(err)
		}
		if gotValues, gotMarks = shown(l.t, twin); maps.Equal(values, gotValues) && maps.Equal(marks, gotMarks) {
			return
		}
	}
	why, err := l.api.Why(l.ctx, id)
	if err != nil {
		l.t.Error(err)
		return
	}
	l.t.Errorf("%s of group %d has %v, marks %v; want %v, %v\n%s", id, at.group, gotValues, gotMarks, values, marks, why.Raw)
}

// shown returns the desired values of a twin by path, each with the
// configuration that set it, and its marks.
func shown(t *testing.T, twin *client.Twin) (values, marks map[string]string) {
	t.Helper()
	var document struct {
		Configurations map[string]struct{ Status string }
	}
	var desired map[string]any
	if err := json.Unmarshal(twin.Raw, &document); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
		t.Fatal(err)
	}
	values, marks = map[string]string{}, map[string]string{}
	metadata, _ := desired["$metadata"].(map[string]any)
	leaves(values, "", desired, metadata)
	for id, mark := range document.Configurations {
		marks[id] = mark.Status
	}
	return values, marks
}

func leaves(dst map[string]string, path string, object, metadata map[string]any) {
	for name, value := range object {
		if strings.HasPrefix(name, "$") {
			continue
		}
		below, _ := metadata[name].(map[string]any)
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			leaves(dst, path+name+".", inner, below)
			continue
		}
		text := fmt.Sprint(value)
		if by, ok := below["$lastUpdatedBy"].(string); ok {
			text += " by " + by
		}
		dst[path+name] = text
	}
}

// target is a condition over groups: all of them, one, or all but one.
func target(kind, group int) string {
	switch kind {
	case 0:
		return "*"
	case 1:
		return "tags.g = " + strconv.Itoa(group)
	default:
		return "tags.g != " + strconv.Itoa(group)
	}
}

func targets(condition string, group int) bool {
	for kind := range 3 {
		for g := range groups {
			if condition == target(kind, g) {
				return kind == 0 || kind == 1 && g == group || kind == 2 && g != group && group >= 0
			}
		}
	}
	return false
}

// configurer makes, changes, steers and deletes configurations.
type configurer struct {
	random *rand.Rand
	n      int
	// acked are those that are there; doing is the one of the request under way.
	acked map[string]bool
	doing string
	// back are those that were rolled back before it was looked at the twins.
	back map[string]bool
}

func (c *configurer) setUp(*life) {}

func (c *configurer) work(l *life) {
	for !l.killed.Load() {
		c.doing = "c" + strconv.Itoa(c.random.IntN(6))
		there, err := c.step(l, c.acked[c.doing])
		// The one before of that id is being removed: it takes its time.
		if tvilling.CodeOf(err) == tvilling.Unavailable && !l.killed.Load() && strings.Contains(err.Error(), "still being removed") {
			err = nil
		}
		if err == nil {
			if c.acked[c.doing] = there; !there {
				delete(c.acked, c.doing)
			}
			c.doing = ""
			l.acked()
		}
		if l.over("configuration "+c.doing, err) {
			return
		}
	}
}

// step makes one request, and reports whether there then is the configuration.
func (c *configurer) step(l *life, there bool) (bool, error) {
	c.n++
	s := client.ConfigurationSpec{
		ID: c.doing, Priority: c.random.IntN(4), TargetCondition: target(c.random.IntN(3), c.random.IntN(groups)),
	}
	if !there {
		content := map[string]int{}
		for range 1 + c.random.IntN(3) {
			content["properties.desired."+[]string{"a", "b", "o.x", "o.y", "p", "p.z"}[c.random.IntN(6)]] = c.n
		}
		if _, ok := content["properties.desired.p"]; ok {
			delete(content, "properties.desired.p.z")
		}
		raw, err := json.Marshal(map[string]any{"deviceContent": content})
		if err != nil {
			return false, err
		}
		s.Content = raw
		if c.random.IntN(2) == 0 {
			s.Rollout = json.RawMessage(fmt.Sprintf(`{"steps":[{"count":%d},{"percent":%d}]}`, 1+c.random.IntN(10), 50+c.random.IntN(50)))
		}
		_, err = l.api.PutConfiguration(l.ctx, s, tvilling.Match{})
		return true, err
	}
	switch c.random.IntN(6) {
	case 0, 1:
		return false, l.api.DeleteConfiguration(l.ctx, c.doing, tvilling.Match{})
	case 2, 3:
		_, err := l.api.PutConfiguration(l.ctx, s, client.Any())
		return true, err
	default:
		verb := []string{"pause", "rollback", "resume", "advance"}[c.random.IntN(4)]
		_, err := l.api.SteerConfiguration(l.ctx, c.doing, verb)
		if tvilling.CodeOf(err) == tvilling.InvalidArgument {
			err = nil // not something to be done with it as it is
		}
		return true, err
	}
}

func (c *configurer) verify(l *life) {
	l.t.Helper()
	list, err := l.api.Configurations(l.ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	got := map[string]bool{}
	c.back = map[string]bool{}
	for _, conf := range list {
		got[conf.ID] = true
		// Whatever stopped it is over now, or it goes back for good.
		verb := "resume"
		if c.random.IntN(4) == 0 {
			verb, c.back[conf.ID] = "rollback", true
		}
		if _, err := l.api.SteerConfiguration(l.ctx, conf.ID, verb); err != nil {
			l.t.Errorf("%s %s: %v", verb, conf.ID, err)
		}
	}
	for i := range 6 {
		if id := "c" + strconv.Itoa(i); id != c.doing && got[id] != c.acked[id] {
			l.t.Errorf("configuration %s is there: %t; acknowledged: %t", id, got[id], c.acked[id])
		}
	}
	c.acked, c.doing = got, ""
}

// tagged is what a tagger has said of a device: its group, -1 for none, and, by
// hand, a desired property that no configuration has; or that it is not there.
type tagged struct {
	group, n int
	gone     bool
}

// tagger moves devices from group to group, deletes them and makes them anew.
type tagger struct {
	random *rand.Rand
	ids    []tvilling.Identity
	at     []tagged
	n      int
	// doing is the device of the request under way, -1 for none.
	doing int
}

func (t *tagger) setUp(l *life) {
	l.t.Helper()
	t.at = make([]tagged, len(t.ids))
	for i, id := range t.ids {
		l.register(id.Device)
		t.at[i].group = -1
	}
}

func (t *tagger) work(l *life) {
	for !l.killed.Load() {
		t.n++
		t.doing = t.random.IntN(len(t.ids))
		id, next := t.ids[t.doing], tagged{group: t.random.IntN(groups), n: t.n}
		var err error
		switch now := t.at[t.doing]; {
		case now.gone:
			next = tagged{group: -1}
			_, err = l.api.CreateDevice(l.ctx, client.Device{DeviceID: id.Device})
		case t.random.IntN(8) == 0:
			next = tagged{group: -1, gone: true}
			err = l.api.Delete(l.ctx, id, client.Any())
		default:
			p := client.TwinPatch{Tags: json.RawMessage(fmt.Sprintf(`{"g":%d}`, next.group)), Desired: json.RawMessage(fmt.Sprintf(`{"h":%d}`, next.n))}
			_, err = l.api.PatchTwin(l.ctx, id, p, tvilling.Match{})
		}
		if err == nil {
			t.at[t.doing], t.doing = next, -1
			l.acked()
		}
		if l.over("tag "+id.String(), err) {
			return
		}
	}
}

func (t *tagger) verify(l *life) {
	l.t.Helper()
	for i, id := range t.ids {
		got := tagged{group: -1}
		twin, err := l.api.Twin(l.ctx, id)
		switch {
		case tvilling.CodeOf(err) == tvilling.DeviceNotFound:
			got.gone = true
		case err != nil:
			l.t.Fatal(err)
		default:
			var tags struct{ G *int }
			var desired struct{ H int }
			if len(twin.Tags) > 0 {
				if err := json.Unmarshal(twin.Tags, &tags); err != nil {
					l.t.Fatal(err)
				}
			}
			if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
				l.t.Fatal(err)
			}
			if tags.G != nil {
				got.group, got.n = *tags.G, desired.H
			}
		}
		if got != t.at[i] && i != t.doing {
			l.t.Errorf("%s is %+v, acknowledged was %+v", id, got, t.at[i])
		}
		t.at[i] = got
	}
	t.doing = -1
}
