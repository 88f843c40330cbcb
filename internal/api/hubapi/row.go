package hubapi

import "github.com/tvilling/tvilling/internal/hub/twin"

// Document appends a whole twin to dst as services see it (wire §2.1).
func Document(dst []byte, v twin.View) []byte { return appendTwin(dst, v, false) }
