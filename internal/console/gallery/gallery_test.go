package gallery_test

import (
	"flag"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

var update = flag.Bool("update", false, "write testdata/gallery.html")

// digest is what an address of a file changes by when the file does.
var digest = regexp.MustCompile(`(/console/assets/[a-z-]+)\.[A-Za-z0-9_-]{12}\.`)

// TestHTML compares the HTML of all components with what it was.
func TestHTML(t *testing.T) {
	html, err := gallery.HTML()
	if err != nil {
		t.Fatal(err)
	}
	got := digest.ReplaceAllString(html, "$1.DIGEST.")
	const path = "testdata/gallery.html"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("components have other HTML; if that is meant, run go test -update (-want +got):\n%s", d)
	}
}
