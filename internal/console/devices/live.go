package devices

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// again is how often rows are read anew though nothing was changed: when a
// device was last heard of is no change.
const again = 10 * time.Second

func mayOperate(c *web.Call) bool { return c.May(account.Operator) }

// streamAddress is the address of the stream that keeps rows current. It names
// the devices, which are those of the page and stay so.
func streamAddress(l listing, rows []*row) string {
	q := url.Values{"ids": {joinIDs(rows)}}
	if l.condition.text != "" {
		q.Set("q", l.condition.text)
	}
	if l.from == alone {
		q.Set("from", alone)
	}
	return ui.URL("live", "devices", q)
}

// shown is a row as it was last sent.
type shown struct {
	row  row
	html web.Fragment
}

// live is GET /live/devices?ids=&q=: the rows of devices, each when it changes,
// and how many devices the query finds by now.
func (p *pages) live(c *web.Call) error {
	l, err := readListing(c.Queries())
	if err != nil {
		return err
	}
	ids := strings.Fields(c.Query("ids"))
	if len(ids) > pageSize {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "watch devices", Path: "ids", Message: "A page watches at most " + strconv.Itoa(pageSize) + " devices."}
	}
	find, err := l.condition.compile(l.from, "")
	if err != nil {
		return err
	}
	devices := make([]tvilling.DeviceID, len(ids))
	for i, id := range ids {
		devices[i] = tvilling.DeviceID(id)
	}
	watch := p.Pages.Devices(devices...)
	defer watch.Close()
	s := &liveList{pages: p, listing: l, devices: devices, find: find, may: mayOperate(c), last: make(map[tvilling.DeviceID]shown)}
	return c.Stream(web.Stream{Changed: []func() <-chan struct{}{watch.C}, Every: again, Fragments: s.fragments})
}

// liveList is one open page of the list.
type liveList struct {
	*pages

	listing listing
	devices []tvilling.DeviceID
	find    *query.Query
	may     bool
	last    map[tvilling.DeviceID]shown
	// began is how many devices matched when the page was opened, -1 before.
	began   int64
	counted bool
}

func (s *liveList) fragments(ctx context.Context) ([]web.Fragment, error) {
	list := make([]web.Fragment, 0, len(s.devices)+1)
	for _, id := range s.devices {
		r, err := s.row(ctx, id, s.find)
		if err != nil {
			return nil, err
		}
		r.May = s.may
		f, err := s.fragment(r)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	news, err := s.news(ctx)
	if err != nil {
		return nil, err
	}
	return append(list, news), nil
}

// fragment is the row's, made anew only where it shows something else.
func (s *liveList) fragment(r *row) (web.Fragment, error) {
	if old, ok := s.last[r.ID]; ok && old.row.same(r) {
		return old.html, nil
	}
	html, err := web.Render(templates, "device-row", r)
	if err != nil {
		return web.Fragment{}, err
	}
	f := web.Fragment{ID: r.Element(), HTML: html}
	s.last[r.ID] = shown{*r, f}
	return f, nil
}

// news tells that the query finds other devices than the page shows.
func (s *liveList) news(ctx context.Context) (web.Fragment, error) {
	data := struct {
		More int64
		Show string
	}{Show: changed(s.values(), "q", s.listing.condition.text)}
	devices := int64(0)
	if stats, err := s.Registry.Statistics(ctx); err == nil {
		devices = stats.Devices
	} else {
		return web.Fragment{}, err
	}
	n, ok, err := s.counts.of(ctx, s.listing.condition, s.listing.from, devices, false)
	if err != nil {
		return web.Fragment{}, err
	}
	if ok {
		if !s.counted {
			s.began, s.counted = n, true
		}
		data.More = n - s.began
	}
	html, err := web.Render(templates, "devices-news", data)
	return web.Fragment{ID: "devices-news", HTML: html}, err
}

func (s *liveList) values() url.Values {
	q := url.Values{}
	if s.listing.from == alone {
		q.Set("from", alone)
	}
	if s.listing.sort.Name != "" {
		q.Set("sort", s.listing.sort.Name)
	}
	return q
}

// same reports whether two rows show the same.
func (r *row) same(o *row) bool {
	a, b := *r, *o
	if len(a.Tags) != len(b.Tags) || (a.Score == nil) != (b.Score == nil) || a.Score != nil && *a.Score != *b.Score {
		return false
	}
	for i := range a.Tags {
		if a.Tags[i] != b.Tags[i] {
			return false
		}
	}
	return a.ID == b.ID && a.State == b.State && a.Alerts == b.Alerts && a.Recommendations == b.Recommendations &&
		a.Agent == b.Agent && a.Sync == b.Sync && a.MoreTags == b.MoreTags && a.Disabled == b.Disabled &&
		a.Connected == b.Connected && a.Transport == b.Transport && a.AgentOnly == b.AgentOnly && a.Activity.Equal(b.Activity) &&
		a.Left == b.Left && a.Gone == b.Gone && a.Damaged == b.Damaged && a.May == b.May
}
