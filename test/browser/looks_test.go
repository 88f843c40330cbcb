//go:build browser

package browser_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

var update = flag.Bool("update", false, "write the pictures that pages are compared with")

// full is a picture of the whole page, however long.
func (p *page) full() []byte {
	p.t.Helper()
	return within(p, "a picture", chromedp.FullScreenshot(100))
}

// view is a picture of what can be seen of the page.
func (p *page) view() []byte {
	p.t.Helper()
	return within(p, "a picture", chromedp.CaptureScreenshot())
}

// apart is how many of a million pixels may differ: browsers of other versions
// draw the edges of letters otherwise.
const apart = 5000

// looks compares the page with a picture of testdata.
func (p *page) looks(name string) {
	p.t.Helper()
	got := p.full()
	path := filepath.Join("testdata", name+".png")
	if *update {
		if err := os.WriteFile(path, packed(p.t, got), 0o600); err != nil {
			p.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatalf("%v: make it with -update, and look at it", err)
	}
	if difference := differ(p.t, got, want); difference != "" {
		kept := filepath.Join(p.t.ArtifactDir(), name+".png")
		if err := os.WriteFile(kept, got, 0o600); err != nil {
			p.t.Error(err)
		}
		p.t.Errorf("the page does not look as in %s: %s; it is in %s (with -artifacts); if it is to look so, run with -update", path, difference, kept)
	}
}

// differ says how two pictures differ, "" if hardly.
func differ(t *testing.T, got, want []byte) string {
	t.Helper()
	a, b := pixels(t, got), pixels(t, want)
	if a.Rect != b.Rect {
		return fmt.Sprintf("it is %v, not %v", a.Rect.Max, b.Rect.Max)
	}
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		for c := range 3 {
			if d := int(a.Pix[i+c]) - int(b.Pix[i+c]); d > 48 || d < -48 {
				n++
				break
			}
		}
	}
	if all := len(a.Pix) / 4; n*1_000_000/all > apart {
		return fmt.Sprintf("%d of %d pixels differ", n, all)
	}
	return ""
}

// TestGalleryLooks compares all components with how they looked.
func TestGalleryLooks(t *testing.T) {
	e := exhibit(t)
	for name, options := range map[string][]option{
		"gallery-light": nil, "gallery-dark": {dark},
		"gallery-narrow-light": {narrow}, "gallery-narrow-dark": {narrow, dark},
	} {
		t.Run(name, func(t *testing.T) {
			p := e.open(t, gallery.Path, options...)
			p.looks(name)
			p.axe()
			p.clean()
		})
	}
}

// TestPicturesDiffer has the comparison find what it is for.
func TestPicturesDiffer(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.Path)
	before := p.full()
	if d := differ(t, p.full(), before); d != "" {
		t.Errorf("two pictures of one page differ: %s", d)
	}
	eval[bool](p, `(() => { document.querySelector(".severity, .sev.high").closest("section").remove(); return true })()`)
	if differ(t, p.full(), before) == "" {
		t.Error("a section was taken out, and the pictures do not differ")
	}
}
