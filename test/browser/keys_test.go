//go:build browser

package browser_test

import "testing"

// TestFrame looks at the frame that all pages have.
func TestFrame(t *testing.T) {
	h := start(t, nil)
	p := h.open(t, "/console/")
	p.waitAt("/console/overview")
	p.axe()
	p.clean()
}
