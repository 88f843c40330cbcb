package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

const (
	// shortAlert is how much of an id lists show, fewestAlert the least that
	// names an alert, wholeAlert how long an id is.
	shortAlert, fewestAlert, wholeAlert = 8, 4, 36
	// searchedAlerts is how many alerts, the newest, are searched for one whose
	// id begins with what was given.
	searchedAlerts = 2000
)

// shortID is the beginning of an alert's id, enough to name it by.
func shortID(id string) string {
	if len(id) != wholeAlert {
		return oneLine(id)
	}
	return id[:shortAlert]
}

// findAlert returns the whole id of an alert that is named by it or by its
// beginning.
func findAlert(ctx context.Context, c *client.Client, name string) (string, error) {
	ids, err := findAlerts(ctx, c, []string{name})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// findAlerts is findAlert for several, with one search.
func findAlerts(ctx context.Context, c *client.Client, names []string) ([]string, error) {
	ids := make([]string, len(names))
	var short []int // the places of those to be searched for
	for i, n := range names {
		n = strings.ToLower(n)
		switch {
		case len(n) >= wholeAlert:
			ids[i] = n
		case len(n) < fewestAlert || strings.Trim(n, "0123456789abcdef-") != "":
			return nil, usageError{fmt.Errorf("%q: an alert is named by its id or at least its first %d characters, as \"tvilling alert list\" shows them", n, fewestAlert)}
		default:
			short = append(short, i)
		}
	}
	if len(short) == 0 {
		return ids, nil
	}
	searched := 0
	for a, err := range c.Alerts(ctx, client.AlertFilter{}, client.Paging{PageSize: maxPage}) {
		if err != nil {
			return nil, err
		}
		if searched++; searched > searchedAlerts {
			break
		}
		for _, i := range short {
			if !strings.HasPrefix(a.ID, strings.ToLower(names[i])) {
				continue
			}
			if ids[i] != "" {
				return nil, usageError{fmt.Errorf("%q: several alerts begin so, %s and %s among them; give more of the id", names[i], ids[i], a.ID)}
			}
			ids[i] = a.ID
		}
	}
	for _, i := range short {
		if ids[i] != "" {
			continue
		}
		message := "No alert has an id that begins so; see \"tvilling alert list\"."
		if searched > searchedAlerts {
			message = fmt.Sprintf("None of the newest %d alerts has an id that begins so; give the whole id, from \"tvilling alert list --full-ids\".", searchedAlerts)
		}
		return nil, &tvilling.Error{Code: tvilling.NotFound, Op: "find alert", Subject: names[i], Message: message}
	}
	return ids, nil
}
