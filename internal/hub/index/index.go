package index

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// DefaultBudget is the memory that an index may take unless it is told otherwise.
const DefaultBudget = 400 << 20

// Options are what an [Index] needs.
type Options struct {
	// Budget bounds the bytes of the index; 0 stands for [DefaultBudget]. When
	// it is spent, columns keep no more than whether there is a value.
	Budget int64
	// Live says whether id is connected, and when it was last heard of; the
	// session manager's. It must not call the index.
	Live func(id tvilling.Identity) (connected bool, since, activity time.Time)
}

// Index answers queries from memory. Its methods are safe for concurrent use.
type Index struct {
	opt    Options
	limits limits

	// writing is held by whoever changes the index: the committer, a session
	// that came or went, the build. It is never taken inside of a query.
	writing sync.Mutex
	// mu guards the structure: order, the lists of blocks and columns, paths.
	// It is taken before the lock of a block, or alone.
	mu      sync.RWMutex
	names   names
	order   order
	devices table
	modules table

	queries epochs
	bytes   atomic.Int64
	// full says that the budget is spent, so that new columns are coarse.
	full atomic.Bool

	// The writer alone uses these.
	slots       slots
	moduleNames map[string]moduleName
	retired     []retired
	retiring    map[place]uint64 // when each of them went last
	cells       []assignment
	scratch     []byte
	way         trail
	filling     bool
	// whole says that an identity without a row is new: it has no session yet.
	whole bool
	// gone are the identities deleted while a build is under way, which must
	// not bring them back.
	gone map[tvilling.Identity]struct{}

	closed     atomic.Int64 // paths that are so
	built      atomic.Int64 // nanoseconds
	unreadable atomic.Int64
}

// moduleName is the name of modules, with how many rows have it.
type moduleName struct {
	at   name
	rows int
}

// place is a slot of one of the tables.
type place struct {
	modules bool
	slot    uint32
}

// retired is a slot whose row went at some moment.
type retired struct {
	place

	when uint64
}

// New returns an empty index, which is not ready for anything until it is built.
func New(o Options) *Index {
	if o.Budget <= 0 {
		o.Budget = DefaultBudget
	}
	x := &Index{opt: o, limits: defaultLimits(), moduleNames: make(map[string]moduleName), retiring: make(map[place]uint64)}
	x.modules.modules = true
	x.makeColumns(&x.devices)
	x.makeColumns(&x.modules)
	return x
}

// makeColumns makes the columns of members that are not in a section, and the
// paths that lead to those that are.
func (x *Index) makeColumns(t *table) {
	t.status, t.statusReason = x.addColumn(t, "status"), x.addColumn(t, "statusReason")
	t.statusTime = x.addColumn(t, "statusUpdateTime")
	t.connected, t.activity = x.addColumn(t, "connectionState"), x.addColumn(t, "lastActivityTime")
	t.auth, t.version, t.model = x.addColumn(t, "authenticationType"), x.addColumn(t, "version"), x.addColumn(t, "modelId")
	t.primary = x.addColumn(t, "x509Thumbprint.primaryThumbprint")
	t.secondary = x.addColumn(t, "x509Thumbprint.secondaryThumbprint")
	t.scope, t.parents = x.addColumn(t, "deviceScope"), x.addColumn(t, "parentScopes")
	t.edge, t.module = x.addColumn(t, "capabilities.iotEdge"), x.addColumn(t, "moduleId")
	t.desiredVersion = x.addColumn(t, "properties.desired.$version")
	t.reportedVersion = x.addColumn(t, "properties.reported.$version")
	t.desiredTime = x.addColumn(t, "properties.desired.$metadata.$lastUpdated")
	t.reportedTime = x.addColumn(t, "properties.reported.$metadata.$lastUpdated")
	for _, c := range []*column{t.statusTime, t.activity, t.desiredTime, t.reportedTime} {
		c.ticks = true
	}
	for _, state := range []string{disconnected, connected} { // in the order of their codes
		x.text(t, t.connected, []byte(state))
	}
	t.tags = &path{full: "tags", column: x.addColumn(t, "tags"), last: -1}
	t.desired = &path{full: "properties.desired", last: -1}
	t.reported = &path{full: "properties.reported", last: -1}
	t.owned = &path{last: -1}
}

// table returns the rows of a kind.
func (x *Index) table(kind state.Kind) *table {
	if kind == state.Modules {
		return &x.modules
	}
	return &x.devices
}

// Ready reports whether the index holds every twin of a kind. Until then it
// must not be asked about them.
func (x *Index) Ready(kind state.Kind) bool {
	if kind == state.All {
		return x.Ready(state.Devices) && x.Ready(state.Modules)
	}
	t := x.table(kind)
	return t.ready.Load() && !t.short.Load()
}
