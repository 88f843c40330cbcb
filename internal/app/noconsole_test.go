package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// TestWithoutConsole asks a hub for pages that has been told to have none.
func TestWithoutConsole(t *testing.T) {
	for _, without := range []bool{false, true} {
		h := apptest.Start(t, func(o *app.Options) { o.NoConsole = without })
		c := http.Client{
			Transport:     &http.Transport{TLSClientConfig: h.TLS()},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		for path, with := range map[string]int{"/": http.StatusSeeOther, "/console/setup": http.StatusOK} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.HTTPS()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
			if has := res.StatusCode == with; has == without {
				t.Errorf("without the console: %v; GET %s: %s", without, path, res.Status)
			}
		}
		if has := h.App().Endpoints().Console != ""; has == without {
			t.Errorf("without the console: %v; it is told to be at %q", without, h.App().Endpoints().Console)
		}
		if _, err := os.Stat(filepath.Join(h.Data, "setup-code")); (err == nil) == without {
			t.Errorf("without the console: %v; the set-up code: %v", without, err)
		}
	}
}
