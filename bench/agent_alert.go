package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// alertRun tells the attacks of this case from those of others.
const alertRun = 3

// alertGap is how far apart attacks are, about. Urgent events go at once while
// they are few: with an unbounded day, one in half a second for any time.
const alertGap = 700 * time.Millisecond

// runAgentAlert starts programs by the name of a coin miner. The time runs from
// before the start to when the webhook has the alert.
func runAgentAlert(ctx context.Context, b *bench) (err error) {
	sink, err := b.newReceiver(alertRun)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.close()) }()
	r, err := b.startAgent(ctx, agentOptions{
		hubArgs: []string{"--config", sink.config},
		own:     unboundedDay(map[string]any{"immediateEvents": []string{"ProcessCreate", "Login", "ListeningPorts", "LocalUsers"}}),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	programs, err := b.miners(r.dir)
	if err != nil {
		return err
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	m := newAgentMeter(ctx, r.agent.cmd.Process.Pid)
	for i, program := range programs {
		if err := sleep(ctx, alertGap+rand.N(alertGap/4)); err != nil { //nolint:gosec // it only spreads load
			return err
		}
		sink.expect(i, time.Now())
		if err := exec.CommandContext(ctx, program, "-o", "stratum+tcp://pool.example:3333", "-u", "wallet").Run(); err != nil { //nolint:gosec // a copy of true
			return err
		}
	}
	if err := sink.wait(ctx, time.Minute); err != nil {
		return err
	}
	m.end()
	t := &sink.times
	b.figure(Figure{Metric: "alerts", Value: float64(t.Count())})
	b.figure(Figure{Metric: "p50", Value: ms(t.Quantile(0.5)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "p99", Value: ms(t.Quantile(0.99)), Unit: "ms", Reach: 1000, Less: true})
	b.figure(Figure{Metric: "max", Value: ms(t.Max()), Unit: "ms", Less: true})
	b.machine(m)
	return nil
}

// miners makes copies of true(1) that have the name of a miner, each in a folder
// of its own: alerts are told apart by the file that runs.
func (b *bench) miners(dir string) ([]string, error) {
	path, err := exec.LookPath("true")
	if err != nil {
		return nil, skip("there is no true(1)")
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list := make([]string, b.scale.AgentAlerts)
	for i := range list {
		list[i] = filepath.Join(dir, attackPath(alertRun, i))
		if err := os.MkdirAll(filepath.Dir(list[i]), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(list[i], program, 0o700); err != nil { //nolint:gosec // it is to be run
			return nil, err
		}
	}
	return list, nil
}
