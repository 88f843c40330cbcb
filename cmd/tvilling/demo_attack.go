package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/attack"
)

const (
	// demoAttackName is the attack of the show, one that makes the device unhealthy.
	demoAttackName = "reverse-shell"
	// demoPatience is how long the show waits for each thing that has to happen.
	// Each takes a fraction of a second, on a machine that has time for it.
	demoPatience = 20 * time.Second
)

// demoAttack is the show of the demo: one device of its fleet is attacked.
type demoAttack struct {
	hub    *client.Client
	victim enlisted
	w      io.Writer
	// alert is the id of the alert that came; "" if none did.
	alert string
}

// judgement is what the hub writes of a device into its security module twin.
type judgement struct {
	State string `json:"state"`
	Score int    `json:"score"`
}

func (j judgement) String() string {
	return fmt.Sprintf("%s, %d of 100 points", inWords(j.State), j.Score)
}

// show has the device send an ordinary message and then those of an attack, and
// tells what comes of it.
func (s *demoAttack) show(ctx context.Context) error {
	a, ok := attack.Find(demoAttackName)
	if !ok {
		return fmt.Errorf("there is no attack %s", demoAttackName)
	}
	calm, err := json.Marshal(securityMessage(newGUID(), s.victim.id))
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if err := s.send(ctx, calm); err != nil {
		return err
	}
	before, err := s.await(ctx, func(j judgement) bool { return j.State != "" && j.State != "unknown" })
	if err != nil {
		return err
	}
	known, err := alertsOf(ctx, s.hub, s.victim.id, a)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.w, "\n%s, as its security module twin has it: %s.\n", s.victim.id, before)
	fmt.Fprintf(s.w, "Now it is attacked, for show. %s\n", a.Describe)
	for _, body := range a.Messages(time.Now(), random()) {
		if err := s.send(ctx, body); err != nil {
			return err
		}
	}
	sent := time.Now()
	for _, step := range a.Steps {
		fmt.Fprintf(s.w, "  %s\n", step.Title)
	}
	found, err := awaitAlert(ctx, s.hub, s.victim.id, a, known, demoPatience)
	if err != nil {
		return err
	}
	s.alert = found.ID
	fmt.Fprintf(s.w, "\n%s later there is an alert: %s. In words:\n\n", inMilliseconds(time.Since(sent)), oneLine(found.Title))
	e, err := s.hub.ExplainAlert(ctx, found.ID)
	if err != nil {
		return err
	}
	printSentences(s.w, "  ", e.Sentences)
	after, err := s.await(ctx, func(j judgement) bool { return j != before })
	if err != nil {
		return err
	}
	fmt.Fprintf(s.w, "\n%s after the attack the twin has: %s, where it had %s.\n", inMilliseconds(time.Since(sent)), after, before)
	return nil
}

// send has the device's agent send a message, and waits until the hub has it.
func (s *demoAttack) send(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	taken := make(chan error, 1)
	select {
	case s.victim.orders <- order{body: body, taken: taken}:
	case <-ctx.Done():
		return fmt.Errorf("the agent of %s is not connected: %w", s.victim.id, ctx.Err())
	}
	select {
	case err := <-taken:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the hub does not take the message: %w", ctx.Err())
	}
}

// await waits until the twin has a judgement that fits.
func (s *demoAttack) await(ctx context.Context, fits func(judgement) bool) (judgement, error) {
	id := tvilling.Identity{Device: s.victim.id, Module: tvilling.SecurityModule}
	started := time.Now()
	for {
		t, err := s.hub.Twin(ctx, id)
		if err != nil {
			return judgement{}, err
		}
		var doc struct{ Security judgement }
		if err := json.Unmarshal(t.Raw, &doc); err != nil {
			return judgement{}, fmt.Errorf("read the twin: %w", err)
		}
		if fits(doc.Security) {
			return doc.Security, nil
		}
		waited := time.Since(started)
		if waited > demoPatience {
			return judgement{}, fmt.Errorf("the twin of %s still says %s after %s", id, doc.Security, demoPatience)
		}
		if !wait(ctx, pauseAfter(waited)) {
			return judgement{}, ctx.Err()
		}
	}
}
