//go:build linux

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/budget"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/settings"
)

// Status is what a running agent says of itself.
type Status struct {
	Version   string    `json:"version"`
	AgentID   string    `json:"agentId"`
	Identity  string    `json:"identity"`
	Hub       string    `json:"hub"`
	Started   time.Time `json:"started"`
	Connected bool      `json:"connected"`
	// Since is when the connection was made or lost.
	Since time.Time `json:"since,omitzero"`
	// Error is why there is no connection, if one.
	Error string `json:"error,omitempty"`
	// Configuration says whether what the twin asks for is in force.
	Configuration struct {
		State    settings.State `json:"state"`
		Version  int64          `json:"version,omitempty"`
		Applied  time.Time      `json:"applied,omitzero"`
		Problems []string       `json:"problems,omitempty"`
	} `json:"configuration"`
	// Queues are what waits, by priority.
	Queues []QueueStatus `json:"queues"`
	// Spool is where it waits: "disk", or "memory" and why.
	Spool  string          `json:"spool"`
	Sights []collect.Sight `json:"collectors"`
	// Budget are the limits of the twin, Use what is used of them.
	Budget BudgetStatus `json:"budget"`
	Use    budget.Use   `json:"use"`
	// Enforcement is who enforces the budget besides the agent itself.
	Enforcement string `json:"enforcement"`
	// Lost are events that were lost or left out since the last statistics.
	Lost map[string]uint64 `json:"lost,omitempty"`
}

// QueueStatus is a queue of the spool.
type QueueStatus struct {
	Priority string `json:"priority"`
	Events   int    `json:"events"`
	Bytes    int64  `json:"bytes"`
	Dropped  uint64 `json:"dropped"`
}

// BudgetStatus are the limits.
type BudgetStatus struct {
	MemoryBytes int64   `json:"memoryBytes"`
	CPUPercent  float64 `json:"cpuPercent"`
	BytesPerDay int64   `json:"bytesPerDay"`
}

// statusTimeout bounds one conversation over the status socket.
const statusTimeout = 5 * time.Second

// serveStatus answers each connection to the socket with the status, until ctx
// ends.
func serveStatus(ctx context.Context, path string, status func() Status) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("make the folder of the status socket: %w", err)
	}
	// A socket that is there is of an agent that is gone: the lock of the state
	// directory keeps two agents apart. Anything else is somebody else's.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the old status socket: %w", err)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("listen on the status socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(fmt.Errorf("protect the status socket: %w", err), l.Close())
	}
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close() // who asked comes too late
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("serve the status socket: %w", err)
		}
		if err != nil { // such as that too many files are open
			if !pause(ctx, statusTimeout) {
				return nil
			}
			continue
		}
		// One after the other: nobody but root is there to ask.
		_ = c.SetDeadline(time.Now().Add(statusTimeout))
		_ = json.NewEncoder(c).Encode(status()) // who asked is gone, then
		_ = c.Close()
	}
}

// AskStatus asks the agent that listens on a socket.
func AskStatus(ctx context.Context, path string) (s Status, err error) {
	c, err := (&net.Dialer{Timeout: statusTimeout}).DialContext(ctx, "unix", path)
	if err != nil {
		e := &tvilling.Error{Code: tvilling.Unavailable, Op: "ask the agent", Subject: path, Err: err, Message: "No agent answers there. Start it: systemctl start tvilling-agent, or tvilling-agent run."}
		if errors.Is(err, fs.ErrPermission) {
			e.Code, e.Message = tvilling.Unauthorized, "Only the user that the agent runs as may ask it. Try it with sudo."
		}
		return s, e
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.SetDeadline(time.Now().Add(statusTimeout)); err != nil {
		return s, fmt.Errorf("ask the agent: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&s); err != nil {
		return s, fmt.Errorf("read the agent's answer: %w", err)
	}
	return s, nil
}
