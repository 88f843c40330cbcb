package collect

import (
	"io/fs"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	passwdFile = "etc/passwd"
	groupFile  = "etc/group"
	// namesGap is how long names are believed without a look at the file.
	namesGap = 5 * time.Second
	// maxNames bounds the names that are remembered.
	maxNames = 4096
)

// Names tells the names of users, from /etc/passwd alone: services that give
// names over the network are not asked. It is safe for concurrent use.
type Names struct {
	root fs.FS

	mu      sync.Mutex
	checked time.Time
	size    int64
	changed time.Time
	names   map[uint32]string
}

// NewNames returns the names of the device whose file system is root.
func NewNames(root fs.FS) *Names { return &Names{root: root} }

// Name returns the name of a user, "" if it has none.
func (n *Names) Name(uid uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); n.checked.IsZero() || now.Sub(n.checked) >= namesGap {
		n.checked = now
		n.refresh()
	}
	return n.names[uid]
}

// refresh reads the file if it has changed. A file that cannot be read has no
// names: the user's number is told in any case.
func (n *Names) refresh() {
	info, err := fs.Stat(n.root, passwdFile)
	if err != nil {
		n.names, n.size, n.changed = nil, 0, time.Time{}
		return
	}
	if n.names != nil && info.Size() == n.size && info.ModTime().Equal(n.changed) {
		return
	}
	n.names, n.size, n.changed = make(map[uint32]string), info.Size(), info.ModTime()
	text, err := accountFile(n.root, passwdFile)
	if err != nil {
		return
	}
	parsePasswd(text, func(u passwdLine) {
		if _, ok := n.names[u.uid]; !ok && len(n.names) < maxNames { // the first one counts, as with getpwuid(3)
			n.names[u.uid] = u.name
		}
	})
}

// detail appends a member of ExtraDetails, unless it has no value.
func detail(d event.Details, name, value string) event.Details {
	if value == "" {
		return d
	}
	return append(d, event.Detail{Name: name, Value: value})
}
