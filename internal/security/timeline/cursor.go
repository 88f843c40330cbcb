package timeline

import (
	"encoding/base64"
	"encoding/json"

	"github.com/tvilling/tvilling"
)

// cursor is how far each source was told.
type cursor struct {
	// Device and Module are the sequences of the newest changes that were told,
	// 0 at the beginning.
	Device uint64 `json:"d,omitempty"`
	Module uint64 `json:"m,omitempty"`
	// Event and Index are the place of the newest event that was told.
	Event uint64 `json:"e,omitempty"`
	Index int    `json:"i,omitempty"`
	// Time (Unix nanoseconds) and Key are those of the newest entry of the
	// ledger that was told.
	Time int64  `json:"t,omitempty"`
	Key  string `json:"k,omitempty"`
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and a text
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func readCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return c, &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "read timeline", Path: "before",
			Message: "This is no place in a timeline. Take what the page before gave as its next one, or begin without it.", Err: err,
		}
	}
	return c, nil
}
