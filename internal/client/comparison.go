package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/tvilling/tvilling"
)

// TwinComparison is the desired beside the reported properties of a twin.
type TwinComparison struct {
	Desired    int64          `json:"desiredVersion"`
	Reported   int64          `json:"reportedVersion"`
	Properties []TwinProperty `json:"properties"`
	// Raw is the whole answer.
	Raw json.RawMessage `json:"-"`
}

// TwinProperty is one value of a comparison.
type TwinProperty struct {
	Path string `json:"path"`
	// Desired and Reported are absent for nothing there.
	Desired  json.RawMessage `json:"desired"`
	Reported json.RawMessage `json:"reported"`
	// Agreement is "equal", "differs", "default", "notReported" or "onlyReported".
	Agreement string `json:"agreement"`
	Why       string `json:"why"`
	// Set is who desired it.
	Set *struct {
		Actor string    `json:"actor"`
		Time  time.Time `json:"time"`
	} `json:"set"`
}

// CompareTwin returns the desired beside the reported properties of a twin.
func (c *Client) CompareTwin(ctx context.Context, id tvilling.Identity) (*TwinComparison, error) {
	d := &TwinComparison{}
	q := request{op: "compare twin", subject: id.String(), method: http.MethodGet, path: twinPath(id, "comparison")}
	if _, err := c.do(ctx, q, &d.Raw); err != nil {
		return nil, err
	}
	return some(d, known(q, json.Unmarshal(d.Raw, d)))
}
