package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// runFleetConnected puts an automatic configuration in force for security
// modules that are all connected, and waits until the last has been told.
func runFleetConnected(ctx context.Context, b *bench) (err error) {
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
	conns, err := b.dialModules(ctx, h, b.scale.Idle)
	if err != nil {
		return err
	}
	defer load.CloseAll(conns)
	q, err := newAsker(h)
	if err != nil {
		return err
	}
	var worst, sum time.Duration
	const rounds = 3
	for i := range rounds {
		waiting, cancel := context.WithTimeout(ctx, time.Minute)
		told := make(chan error, 1)
		var last time.Time
		go func() {
			at, err := load.Await(waiting, conns, strings.TrimSuffix(desiredFilter, "#"))
			for _, t := range at {
				if t.After(last) {
					last = t
				}
			}
			told <- err
		}()
		start := time.Now()
		err := q.configure(ctx, fmt.Sprintf("bench-connected-%d", i), 10+i, "from devices.modules where connectionState = 'Connected'", agentPath("snapshotFrequency"), fmt.Sprintf("PT%dM", 10+i))
		if err == nil {
			err = <-told
		}
		cancel()
		if err != nil {
			return err
		}
		took := last.Sub(start)
		sum += took
		worst = max(worst, took)
	}
	b.figure(Figure{Metric: fmt.Sprintf("to the last of %d connected, mean of %d", len(conns), rounds), Value: (sum / rounds).Seconds(), Unit: "s", Less: true})
	b.figure(Figure{Metric: fmt.Sprintf("to the last of %d connected, worst", len(conns)), Value: worst.Seconds(), Unit: "s", Reach: 2, Less: true})
	for i := range rounds {
		if err := q.deconfigure(ctx, fmt.Sprintf("bench-connected-%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// runFleetConfigured puts a configuration in force over the whole fleet, while
// devices go on writing.
func runFleetConfigured(ctx context.Context, b *bench) (err error) {
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
	conns, err := b.dialFleet(ctx, h, 100, answersFilter)
	if err != nil {
		return err
	}
	defer load.CloseAll(conns)
	q, err := newAsker(h)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := q.configure(ctx, "bench-fleet", 1, "from devices.modules where moduleId = '"+string(tvilling.SecurityModule)+"'", agentPath("lowPriorityMessageFrequency"), "PT4H"); err != nil {
		return err
	}
	var foreground load.Histogram
	done := false
	for !done {
		// A light load of single patches: what a device feels meanwhile.
		r, err := load.Run(ctx, load.Plan{Conns: conns, InFlight: 4, Work: patches, Warm: time.Second / 10, Measure: 2 * time.Second})
		if err != nil {
			return err
		}
		foreground.Add(r.Quantile(0.99))
		n, err := q.count(ctx, "SELECT COUNT() AS n FROM devices.modules WHERE configurations.[[bench-fleet]].status = 'Applied'")
		if err != nil {
			return err
		}
		if done = n == b.scale.Fleet; !done && time.Since(start) > 15*time.Minute {
			return fmt.Errorf("only %d twins were configured in %v", n, time.Since(start))
		}
	}
	took := time.Since(start)
	b.figure(Figure{Metric: "twins configured", Value: float64(b.scale.Fleet) / took.Seconds(), Unit: "/s", Reach: 5_000, Stretch: 20_000})
	b.figure(Figure{Metric: "patches meanwhile, p99 of the worst 2 s", Value: ms(foreground.Max()), Unit: "ms", Reach: 100, Less: true})
	b.figure(Figure{Metric: "hub rss", Value: mib(resident(h.cmd.Process.Pid)), Unit: "MiB", Reach: 2560, Less: true})
	return nil
}

// agentPath is the path of a property of the agent's configuration.
func agentPath(property string) string {
	return "properties.desired." + agentconfig.Object + "." + property
}

// dialModules connects the security modules of n devices of the fleet, each
// told of changes of its desired properties.
func (b *bench) dialModules(ctx context.Context, h *hub, n int) ([]*load.Conn, error) {
	conf, err := trust(h.data)
	if err != nil {
		return nil, err
	}
	expires := time.Now().Add(24 * time.Hour)
	return load.DialAll(ctx, n, func(i int) (load.DialOptions, error) {
		id := tvilling.Identity{Device: deviceID(i * (b.scale.Fleet / n)), Module: tvilling.SecurityModule}
		path := string(id.Device) + "/modules/" + string(id.Module)
		token, err := auth.Sign("localhost/devices/"+path, deviceKey(id.String()), "", expires)
		return load.DialOptions{
			Addr: h.mqtt, TLS: conf, ClientID: string(id.Device) + "/" + string(id.Module),
			Username: "localhost/" + string(id.Device) + "/" + string(id.Module) + "/?api-version=2021-04-12",
			Password: token, Filters: []string{desiredFilter},
		}, err
	})
}

// configure creates an automatic configuration that sets one value.
func (a *asker) configure(ctx context.Context, id string, priority int, target, path, value string) error {
	body, err := json.Marshal(map[string]any{
		"id": id, "schemaVersion": "1.0", "priority": priority, "targetCondition": target,
		"content": map[string]any{"moduleContent": map[string]any{path: map[string]string{"value": value}}},
	})
	if err != nil {
		return err
	}
	return a.do(ctx, http.MethodPut, "/configurations/"+id, body)
}

func (a *asker) deconfigure(ctx context.Context, id string) error {
	return a.do(ctx, http.MethodDelete, "/configurations/"+id, nil)
}

func (a *asker) do(ctx context.Context, method, path string, body []byte) (err error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.Replace(a.url, "/devices/query", path, 1), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", a.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := a.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return err
}

// count asks a query whose one row has the member n.
func (a *asker) count(ctx context.Context, text string) (int, error) {
	page, _, err := a.page(ctx, text, "")
	if err != nil {
		return 0, err
	}
	var row struct{ N int }
	if len(page) != 1 {
		return 0, fmt.Errorf("%s: %d rows", text, len(page))
	}
	return row.N, json.Unmarshal(page[0], &row)
}
