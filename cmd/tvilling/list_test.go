package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// TestLongLists: of a list no more is asked for than is wanted, page by page,
// and what is left out is told.
func TestLongLists(t *testing.T) {
	for _, tt := range []struct{ there, top, want, pages int }{
		{5, 0, 5, 1}, {5, 10, 5, 1}, {5, 5, 5, 1}, {6, 5, 5, 1}, {2500, 0, 2500, 3}, {100_000, 1500, 1500, 2}, {0, 10, 0, 1},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.top, tt.there), func(t *testing.T) {
			m := &manyAlerts{n: tt.there}
			c, err := client.New(client.Options{
				ConnectionString: "HostName=hub.example;SharedAccessKeyName=p;SharedAccessKey=a2V5", HTTPClient: &http.Client{Transport: m},
			})
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			cmd := &cobra.Command{}
			cmd.SetOut(&stdout)
			cmd.SetErr(&stderr)
			l := listing{top: tt.top}
			err = printList(cmd, &hubFlags{}, l, c.Alerts(t.Context(), client.AlertFilter{}, client.Paging{PageSize: l.page()}), alertColumns(true))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(stdout.String(), "\n") - 1; got != tt.want {
				t.Errorf("printed %d, want %d", got, tt.want)
			}
			if m.asked != tt.pages {
				t.Errorf("asked for %d pages, want %d", m.asked, tt.pages)
			}
			if told, want := stderr.Len() > 0, tt.want < tt.there; told != want {
				t.Errorf("told of more: %t, want %t: %q", told, want, stderr.String())
			}
		})
	}
}
