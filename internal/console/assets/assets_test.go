package assets_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/console/assets"
)

// maxPacked is what the style sheet and scripts of all pages may have on their
// way, the editors of twins and queries apart.
const maxPacked = 150 << 10

func TestPagesStaySmall(t *testing.T) {
	all := 0
	for name, n := range assets.Packed() {
		if strings.HasSuffix(name, "-editor.js") || !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".css") {
			continue
		}
		all += n
	}
	if all == 0 || all > maxPacked {
		t.Errorf("pages load %d bytes of scripts and styles, compressed; the limit is %d", all, maxPacked)
	}
	t.Logf("%d bytes", all)
}

func TestFilesAreKeptForEver(t *testing.T) {
	get := func(path, encoding string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept-Encoding", encoding)
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, r)
		return w
	}
	plain, packed := get(assets.URL("app.css"), ""), get(assets.URL("app.css"), "br, gzip")
	if plain.Code != 200 || packed.Code != 200 || packed.Body.Len() >= plain.Body.Len() || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("plain: %d, %d bytes; packed: %d, %d bytes", plain.Code, plain.Body.Len(), packed.Code, packed.Body.Len())
	}
	if got := plain.Header().Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
		t.Errorf("Cache-Control: %s", got)
	}
	if got := get(assets.Root+"app.css", "").Code; got != http.StatusNotFound {
		t.Errorf("an address without a digest is answered with %d", got)
	}
}
