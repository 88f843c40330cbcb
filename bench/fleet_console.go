package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// viewers are how many people look at one page while it changes.
const viewers = 100

// runFleetConsole opens the pages of the console as people do, over a whole
// fleet, and has many of them look at one page while a row of it changes.
func runFleetConsole(ctx context.Context, b *bench) (err error) {
	data, err := b.fleetData(ctx)
	if err != nil {
		return err
	}
	h, err := b.startHub(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	if _, err := h.indexed(ctx, time.Now()); err != nil {
		return err
	}
	if err := h.quiet(ctx); err != nil {
		return err
	}
	r, err := newReader(ctx, h)
	if err != nil {
		return err
	}
	list, err := r.page(ctx, "/console/devices")
	if err != nil {
		return err
	}
	device := firstDevice.FindSubmatch(list)
	if device == nil {
		return errors.New("the list of devices has no device")
	}
	page := Figure{Reach: 50}
	for _, p := range []struct{ name, path string }{
		{"overview", "/console/overview"},
		{"devices", "/console/devices"},
		{"devices, filtered", "/console/devices?" + url.Values{"q": {"tags.site = 's007' AND modules.security.state = 'unknown'"}}.Encode()},
		{"device", html.UnescapeString(string(device[1]))},
		{"alerts", "/console/alerts"},
	} {
		if err := b.readPage(ctx, r, p.name, p.path, page); err != nil {
			return err
		}
	}
	return b.watchRow(ctx, h, r, list, html.UnescapeString(string(device[1])))
}

var (
	firstDevice = regexp.MustCompile(`<tr[^>]* data-href="(/console/devices/[^"]+)"`)
	liveAddress = regexp.MustCompile(`<body[^>]* data-live="([^"]+)"`)
)

// reader is somebody who has signed in.
type reader struct {
	http *http.Client
	base string
}

// newReader signs in at a hub, which gets its first admin if it has none.
func newReader(ctx context.Context, h *hub) (*reader, error) {
	conf, err := trust(h.data)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	r := &reader{base: "https://" + h.https, http: &http.Client{
		Jar: jar, Transport: &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: viewers},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	form, path := url.Values{"name": {"bench"}, "password": {"a password for the bench"}, "repeat": {"a password for the bench"}}, "/console/sign-in"
	code, err := os.ReadFile(filepath.Join(h.data, "setup-code"))
	switch {
	case err == nil:
		form.Set("code", strings.TrimSpace(string(code)))
		path = "/console/setup"
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	if err := answer.Body.Close(); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("sign in: %s", answer.Status)
	}
	return r, nil
}

// open asks for an address and leaves its body to be read.
func (r *reader) open(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("get %s: %s", path, answer.Status), answer.Body.Close())
	}
	return answer.Body, nil
}

func (r *reader) page(ctx context.Context, path string) (_ []byte, err error) {
	body, err := r.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	return io.ReadAll(body)
}

// readPage opens a page again and again and reports how long that takes, from
// before it is asked for to after its last byte has come.
func (b *bench) readPage(ctx context.Context, r *reader, name, path string, goal Figure) error {
	const n, warm = 300, 20
	// A session may ask 50 times a second.
	pace := time.NewTicker(time.Second / 40)
	defer pace.Stop()
	var h load.Histogram
	size := 0
	for i := range warm + n {
		<-pace.C
		start := time.Now()
		page, err := r.page(ctx, path)
		if err != nil {
			return err
		}
		size = len(page)
		if i >= warm {
			h.Add(time.Since(start))
		}
	}
	b.figure(Figure{Metric: name + ", size", Value: kib(int64(size)), Unit: "KiB", Less: true})
	b.figure(Figure{Metric: name + ", p50", Value: ms(h.Quantile(0.5)), Unit: "ms", Less: true})
	goal.Metric, goal.Value, goal.Unit, goal.Less = name+", p99", ms(h.Quantile(0.99)), "ms", true
	b.figure(goal)
	return nil
}

// watchRow has many look at a list while a device in it is changed, and reports
// how long the change takes to their screens.
func (b *bench) watchRow(ctx context.Context, h *hub, r *reader, list []byte, device string) error {
	address := liveAddress.FindSubmatch(list)
	if address == nil {
		return errors.New("the list of devices is not live")
	}
	id, err := url.PathUnescape(strings.TrimPrefix(device, "/console/devices/"))
	if err != nil {
		return err
	}
	q, err := newAsker(h)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	patched, failed := make(chan string, viewers*4), make(chan error, viewers)
	var looking sync.WaitGroup
	defer looking.Wait()
	defer stop()
	for range viewers {
		body, err := r.open(ctx, html.UnescapeString(string(address[1])))
		if err != nil {
			return err
		}
		looking.Go(func() {
			defer func() { _ = body.Close() }() // the stream was cut off
			lines := bufio.NewScanner(body)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				if mark := benchMark.Find(lines.Bytes()); mark != nil {
					select {
					case patched <- string(mark):
					case <-ctx.Done():
						return
					}
				}
			}
			if ctx.Err() == nil {
				failed <- fmt.Errorf("a stream has ended: %w", errors.Join(lines.Err(), io.EOF))
			}
		})
	}
	var seen load.Histogram
	for i := range 20 {
		time.Sleep(1500 * time.Millisecond) // pages are updated once a second at most
		mark := fmt.Sprintf("mark-%06d", i+1000*(int(time.Now().Unix())%900))
		start := time.Now()
		if err := q.tag(ctx, id, mark); err != nil {
			return err
		}
		for n := 0; n < viewers; {
			select {
			case got := <-patched:
				if got == mark {
					seen.Add(time.Since(start))
					n++
				}
			case err := <-failed:
				return err
			case <-time.After(10 * time.Second):
				return fmt.Errorf("%d of %d viewers have seen %s after 10 s", n, viewers, mark)
			}
		}
	}
	b.figure(Figure{Metric: fmt.Sprintf("change to screen, %d viewers, p50", viewers), Value: ms(seen.Quantile(0.5)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: fmt.Sprintf("change to screen, %d viewers, p99", viewers), Value: ms(seen.Quantile(0.99)), Unit: "ms", Reach: 1000, Less: true})
	return nil
}

var benchMark = regexp.MustCompile(`mark-\d{6}`)

// tag changes a tag that lists of devices show.
func (a *asker) tag(ctx context.Context, device, value string) error {
	address, _, _ := strings.Cut(a.url, "/devices/")
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, address+"/twins/"+url.PathEscape(device)+"?api-version=2021-04-12",
		strings.NewReader(`{"tags":{"a":"`+value+`"}}`))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", a.token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("tag %s: %s: %s", device, answer.Status, body)
	}
	return nil
}
