package identity

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tvilling/tvilling"
)

// LoadAgentID returns the GUID of the agent in its messages (asc §3.2): that of
// the configuration, or one that is made at the first start and kept in
// StateDirectory as agent-id. With an error, the id is good until the agent ends.
func (c *Config) LoadAgentID() (string, error) {
	if c.AgentID != "" {
		return strings.ToLower(c.AgentID), nil
	}
	path := filepath.Join(c.StateDirectory, "agent-id")
	b, _, err := readFile(path)
	if err == nil {
		if id := strings.TrimSpace(string(b)); isGUID(id) {
			return strings.ToLower(id), nil
		}
		// A damaged file is no reason to have no id.
	} else if !errors.Is(err, fs.ErrNotExist) {
		return NewGUID(), unreadable("Local Configuration", path, err)
	}
	id := NewGUID()
	if err := writeFile(path, []byte(id+"\n"), 0o644); err != nil {
		return id, problem(tvilling.Unavailable, "Local Configuration", "Other", path, "The agent's id cannot be kept; give the agent its state-directory to write to.", err)
	}
	return id, nil
}

// NewGUID makes a random GUID (RFC 9562 §5.4).
func NewGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
