package arch

import "slices"

// Table returns the rules of this project: who may import whom, and why. A
// new package needs rows here before it can be used; a new row needs a reason
// that holds when read a year later.
//
// Arrows point down: cmd and app see all; adapters (gateway, api, store, and
// the client side) see the core; the core sees the words of the root package
// and itself; security sees hub, never the other way.
func Table() *Rules {
	return &Rules{
		Edges:    edges(),
		Foreign:  foreign(),
		Bans:     bans(),
		StdOnly:  []string{".", "internal/gateway/mqtt/packet", "internal/hub/...", "internal/security/...", "internal/durable"},
		Isolated: isolated(),
		Support:  []string{"internal/app/apptest", "internal/hub/hubtest", "internal/hub/query/querytest", "internal/store/storetest", "internal/store/ledgertest", "internal/store/segment/faultfs"},
	}
}

func edges() []Edge {
	return slices.Concat(wordEdges(), hubEdges(), securityEdges(), adapterEdges(), consoleEdges(), agentEdges(), wiringEdges(), testEdges())
}

// wordEdges: the words.
func wordEdges() []Edge {
	return []Edge{
		{From: "internal/...", To: []string{"."}, Why: "everything speaks in the words of the root package"},
		{From: "cmd/...", To: []string{"."}, Why: "everything speaks in the words of the root package"},
		{From: "internal/...", To: []string{"internal/durable"}, Why: "a file is replaced in one step, on the disk, by one piece of code"},
	}
}

// hubEdges: the core: hub.
func hubEdges() []Edge {
	return []Edge{
		{From: "internal/hub/state", To: []string{"internal/hub/twin/doc"}, Why: "a twin's record holds its sections in compact form"},
		{From: "internal/hub/commit", To: []string{"internal/hub/state"}, Why: "the committer turns changes of records into durable batches"},
		{From: "internal/hub/journal", To: []string{"internal/hub/state"}, Why: "readers follow the changes as they become durable"},
		{From: "internal/hub/auth", To: []string{"internal/hub/state"}, Why: "credentials are part of an identity's record"},
		{From: "internal/hub/policy", To: []string{"internal/hub/auth", "internal/hub/commit", "internal/hub/state"}, Why: "policies are credentials that are changed by a commit"},
		{From: "internal/hub/audit", To: []string{"internal/hub/state"}, Why: "acts are picked out of the changes of the journal"},
		{From: "internal/hub/account", To: []string{"internal/hub/commit", "internal/hub/state"}, Why: "users and sessions are changed by a commit"},
		{From: "internal/hub/registry", To: []string{"internal/hub/auth", "internal/hub/commit", "internal/hub/state", "internal/hub/twin/doc"}, Why: "identities are made with sealed keys and with their twins, in one commit"},
		{From: "internal/hub/twin", To: []string{"internal/hub/commit", "internal/hub/state", "internal/hub/twin/doc"}, Why: "a twin's change is a patch of its document, committed"},
		{From: "internal/hub/twin/compare", To: []string{"internal/hub/twin/doc"}, Why: "values of two sections are put side by side"},
		{From: "internal/hub/session", To: []string{"internal/hub/auth", "internal/hub/commit", "internal/hub/state"}, Why: "a session is opened for a principal, kept durably, told of committed changes"},
		{From: "internal/hub/history", To: []string{"internal/hub/registry", "internal/hub/state", "internal/hub/twin", "internal/hub/twin/doc"}, Why: "changes are applied again to what was there before them; a twin is put back by a change"},
		{From: "internal/hub/query", To: []string{"internal/hub/state", "internal/hub/twin/doc"}, Why: "a query is evaluated over records and documents"},
		{From: "internal/hub/live", To: []string{"internal/hub/query", "internal/hub/state", "internal/hub/twin"}, Why: "a live query looks again at what each change of the journal touched"},
		{From: "internal/hub/configuration", To: []string{"internal/hub/commit", "internal/hub/query", "internal/hub/state", "internal/hub/twin", "internal/hub/twin/doc"}, Why: "a configuration is written to the twins that its condition finds, each in one commit"},
		{From: "internal/hub/search", To: []string{"internal/hub/index", "internal/hub/query", "internal/hub/state", "internal/hub/twin"}, Why: "queries are answered from the index or the records, and whole twins are written as views of them"},
		{From: "internal/hub/index", To: []string{"internal/hub/commit", "internal/hub/query", "internal/hub/state", "internal/hub/twin/doc"}, Why: "the index follows committed records, and evaluates compiled conditions over columns of them"},
	}
}

// securityEdges: the core: security, a client of the hub.
func securityEdges() []Edge {
	return []Edge{
		{From: "internal/security/mend", To: []string{"internal/hub/twin", "internal/hub/twin/doc", "internal/security/ledger"}, Why: "ready patches of recommendations are written into twins"},
		{From: "internal/security/onboard", To: []string{"internal/hub/commit", "internal/hub/registry", "internal/hub/state", "internal/hub/twin/doc"}, Why: "the companion rule and its settings drive the registry; never the other way"},
		{From: "internal/security/alert", To: []string{"internal/security/ledger"}, Why: "observations and operators change alerts in transactions"},
		{From: "internal/security/alert", To: []string{"internal/security/event"}, Why: "an explanation knows the hub's own events from a device's"},
		{From: "internal/security/detection", To: []string{"internal/security/command", "internal/security/detect", "internal/security/event", "internal/security/ledger"}, Why: "detections with a memory look at events and report what they find"},
		{From: "internal/security/recommend", To: []string{"internal/security/agentconfig", "internal/security/detect", "internal/security/event", "internal/security/ledger"}, Why: "evidence becomes recommendations, those of the agent's configuration with a ready patch"},
		{From: "internal/security/attack", To: []string{"internal/security/event", "internal/security/schema"}, Why: "an attack is rehearsed with messages as agents send them"},
		{From: "internal/security/rules/corpus", To: []string{"internal/security/event", "internal/security/schema"}, Why: "examples are items as they are sent"},
		{From: "internal/security/posture", To: []string{"internal/security/ledger"}, Why: "how a device stands follows from what is concluded of it"},
		{From: "internal/security/deliver", To: []string{"internal/security/ledger"}, Why: "receivers are told of what the ledger's feed has"},
		{From: "internal/security/schema", To: []string{"internal/security/event"}, Why: "messages become typed events, and events messages"},
		{From: "internal/security/sample", To: []string{"internal/security/event", "internal/security/schema"}, Why: "samples are events, written as messages"},
		{From: "internal/security/agentconfig", To: []string{"internal/security/event"}, Why: "each event has its priority in the agent's configuration"},
		{From: "internal/security/agentconfig", To: []string{"internal/hub/twin/compare"}, Why: "what equal means for the agent's values is part of comparing its twin"},
		{From: "internal/security/follow", To: []string{"internal/hub/state", "internal/hub/twin/doc", "internal/security/ledger"}, Why: "changes of the hub's records have consequences in the ledger"},
		{From: "internal/security/watch", To: []string{"internal/hub/auth", "internal/security/event", "internal/security/schema"}, Why: "refusals of the hub become security messages"},
		{From: "internal/security/proctree", To: []string{"internal/security/event"}, Why: "processes are told of by events"},
		{From: "internal/security/wording", To: []string{"internal/security/event"}, Why: "a sentence for each kind of event"},
		{From: "internal/security/investigate", To: []string{"internal/security/event", "internal/security/proctree", "internal/security/schema"}, Why: "questions are answered from stored events"},
		{From: "internal/security/detect", To: []string{"internal/security/command", "internal/security/event", "internal/security/ledger", "internal/security/sigma"}, Why: "rules and stateful detections look at events, and remember in the device's record"},
		{From: "internal/security/timeline", To: []string{"internal/hub/history", "internal/hub/state", "internal/security/event", "internal/security/ledger", "internal/security/posture", "internal/security/wording"}, Why: "what happened to a device is told from the journal, the ledger and the events"},
		{From: "internal/security/fleet", To: []string{"internal/hub/query", "internal/security/ledger"}, Why: "the figures of a fleet are answers of its twins and of the ledger"},
		{From: "internal/security/intake", To: []string{"internal/security/alert", "internal/security/detect", "internal/security/event", "internal/security/ledger", "internal/security/schema"}, Why: "the way of a message: decode, keep, detect, raise, commit"},
	}
}

// adapterEdges: adapters: each sees the core, none sees another.
func adapterEdges() []Edge {
	return []Edge{
		{From: "internal/store/memory", To: []string{"internal/hub/state"}, Why: "a store keeps the records of the core"},
		{From: "internal/store/sqlite", To: []string{"internal/hub/state", "internal/hub/twin/doc"}, Why: "a store keeps the records of the core"},
		{From: "internal/store/sqlite", To: []string{"internal/store/segment"}, Why: "the journal is what a commit syncs; it is kept in segments"},
		{From: "internal/store/auditlog", To: []string{"internal/hub/audit", "internal/store/segment"}, Why: "the audit log of the core is kept in segments"},
		{From: "internal/store/messagelog", To: []string{"internal/store/segment"}, Why: "messages are kept in segments"},
		{From: "internal/store/securitydb", To: []string{"internal/security/ledger"}, Why: "a store keeps the records of the core"},
		{From: "internal/store/securitymem", To: []string{"internal/security/ledger"}, Why: "a store keeps the records of the core"},
		{From: "internal/store/eventdb", To: []string{"internal/security/event"}, Why: "a store keeps the events of the core"},
		{From: "internal/gateway/mqtt", To: []string{"internal/gateway/mqtt/packet"}, Why: "the gateway's wire"},
		{From: "internal/gateway/mqtt", To: []string{"internal/hub/auth", "internal/hub/session", "internal/hub/state"}, Why: "the gateway turns packets into calls of the core"},
		{From: "internal/api/rest", To: []string{"internal/hub/auth"}, Why: "who asks is proven before anything is answered"},
		{From: "internal/api/hubapi", To: []string{"internal/hub/account", "internal/hub/audit", "internal/hub/auth", "internal/hub/configuration", "internal/hub/health", "internal/hub/history", "internal/hub/live", "internal/hub/message", "internal/hub/policy", "internal/hub/query", "internal/hub/registry", "internal/hub/search", "internal/hub/state", "internal/hub/twin", "internal/hub/twin/compare", "internal/hub/twin/doc", "internal/security/agentconfig", "internal/security/onboard"}, Why: "the REST API turns requests into calls of the core"},
		{From: "internal/api/hubapi", To: []string{"internal/api/rest"}, Why: "REST interfaces share how requests are read and answered"},
		{From: "internal/api/agentapi", To: []string{"internal/api/rest", "packaging"}, Why: "the agent is given out over REST, with the files of its package"},
		{From: "internal/api/securityapi", To: []string{"internal/api/rest"}, Why: "REST interfaces share how requests are read and answered"},
		{From: "internal/api/securityapi", To: []string{"internal/hub/auth", "internal/hub/twin", "internal/hub/twin/doc", "internal/security/agentconfig", "internal/security/alert", "internal/security/detect", "internal/security/event", "internal/security/fleet", "internal/security/investigate", "internal/security/ledger", "internal/security/mend", "internal/security/sigma", "internal/security/timeline"}, Why: "the security API turns requests into calls of the core"},
		{From: "internal/api/hubapi", To: []string{"internal/csvsafe"}, Why: "the audit log goes into spreadsheets"},
		{From: "internal/api/securityapi", To: []string{"internal/csvsafe"}, Why: "what devices wrote goes into spreadsheets"},
		{From: "internal/enroll", To: []string{"internal/device"}, Why: "the line that installs the agent has a token as devices make them"},
		{From: "internal/device", To: []string{"internal/gateway/mqtt/packet"}, Why: "a device client speaks MQTT with the same codec"},
		{From: "internal/rulefile", To: []string{"internal/security/sigma"}, Why: "a codec: the YAML of rules becomes the nodes that sigma reads"},
		{From: "internal/notify/...", To: []string{"internal/security/ledger"}, Why: "a sink gives entries of the ledger's feed to a receiver"},
	}
}

// consoleEdges: the pages for people: areas of pages see the core and what all
// pages share, never each other.
func consoleEdges() []Edge {
	return []Edge{
		{From: "internal/console", To: []string{"internal/console/..."}, Why: "the console puts its areas together"},
		{From: "internal/console/...", To: []string{"internal/console/ui", "internal/console/web", "internal/hub/account"}, Why: "pages, for roles"},
		{From: "internal/console/...", To: []string{"internal/console/wake"}, Why: "pages are kept current"},
		{From: "internal/console/ui", To: []string{"internal/console/assets"}, Why: "pages name the files that they load"},
		{From: "internal/console/web", To: []string{"internal/console/assets"}, Why: "a page has a frame, and files"},
		{From: "internal/console/wake", To: []string{"internal/hub/state"}, Why: "pages wait for durable changes"},
		{From: "internal/console/devicehead", To: []string{"internal/hub/registry", "internal/security/ledger", "internal/security/posture"}, Why: "who a device is, and how it stands"},
		{From: "internal/console/configurations", To: []string{"internal/hub/configuration", "internal/hub/state", "internal/security/agentconfig"}, Why: "configurations, what the journal tells of them, and the form of the agents' own"},
		{From: "internal/console/settings", To: []string{"internal/hub/health", "internal/security/deliver", "internal/security/detect", "internal/security/event", "internal/security/ledger", "internal/security/onboard", "internal/security/sigma"}, Why: "how the hub is, what it detects and whom it tells, and where a rule is wrong"},
		{From: "internal/console/devices", To: []string{"internal/console/devicehead"}, Why: "pages of a device have its head"},
		{From: "internal/console/devices", To: []string{"internal/hub/query", "internal/hub/registry", "internal/hub/search", "internal/hub/state", "internal/hub/twin", "internal/hub/twin/doc"}, Why: "devices are found by queries, and changed in registry and twins"},
		{From: "internal/console/devices", To: []string{"internal/csvsafe"}, Why: "an export is a CSV that does no harm"},
		{From: "internal/console/devices", To: []string{"internal/security/agentconfig", "internal/security/ledger", "internal/security/posture", "internal/security/recommend", "internal/security/timeline"}, Why: "how a device stands, and why, and what happened to it"},
		{From: "internal/console/alerts", To: []string{"internal/security/alert", "internal/security/ledger"}, Why: "alerts are read, explained and worked on"},
		{From: "internal/console/alerts", To: []string{"internal/security/event", "internal/security/investigate", "internal/security/proctree", "internal/security/wording"}, Why: "what else happened around an alert, in words"},
		{From: "internal/console/recommendations", To: []string{"internal/hub/twin", "internal/security/ledger", "internal/security/mend", "internal/security/recommend"}, Why: "what is weak, and the patches that mend it"},
		{From: "internal/console/access", To: []string{"internal/csvsafe", "internal/hub/audit", "internal/hub/auth", "internal/hub/policy"}, Why: "pages of users, policies, and of what they did"},
		{From: "internal/console/start", To: []string{"internal/enroll", "internal/hub/registry", "internal/hub/state", "internal/security/attack", "internal/security/ledger"}, Why: "a device is made, and an attack on it rehearsed; ids become words of a shell"},
		{From: "internal/console/twins", To: []string{"internal/console/devicehead"}, Why: "pages of a device have its head"},
		{From: "internal/console/twins", To: []string{"internal/hub/configuration", "internal/hub/history", "internal/hub/registry", "internal/hub/state", "internal/hub/twin", "internal/hub/twin/compare", "internal/hub/twin/doc", "internal/security/agentconfig"}, Why: "twins are shown and changed, with who set what, and their past; the agent's configuration is one"},
		{From: "internal/console/investigate", To: []string{"internal/csvsafe", "internal/hub/live", "internal/hub/query", "internal/hub/search"}, Why: "queries are run, explained, followed and given out as files"},
		{From: "internal/console/investigate", To: []string{"internal/security/event", "internal/security/investigate", "internal/security/ledger", "internal/security/proctree", "internal/security/wording"}, Why: "stored events are searched, put into words and trees, and marked where there are alerts"},
		{From: "internal/console/overview", To: []string{"internal/security/fleet"}, Why: "the fleet's figures"},
	}
}

// agentEdges: the agent: a program of its own, which shares the words of
// security messages and the configuration's rules with the hub, and nothing else.
func agentEdges() []Edge {
	return []Edge{
		{From: "internal/agent/aggregate", To: []string{"internal/security/event"}, Why: "equal events become one with a count"},
		{From: "internal/agent/collect", To: []string{"internal/agent/kernel", "internal/security/event"}, Why: "what the kernel tells becomes typed events"},
		{From: "internal/agent/baseline", To: []string{"internal/security/event"}, Why: "a check that fails is an item of an OSBaseline event"},
		{From: "internal/agent/settings", To: []string{"internal/agent/spool", "internal/security/agentconfig", "internal/security/event"}, Why: "the configuration's rules are the hub's; each event goes to a queue"},
		{From: "internal/agent/spool", To: []string{"internal/security/event", "internal/security/schema"}, Why: "what waits leaves as a security message"},
		{From: "internal/agent/link", To: []string{"internal/agent/identity", "internal/device"}, Why: "the connection is made with the identity's credential, by the device client"},
		{From: "internal/agent/identity", To: []string{"internal/device"}, Why: "a device's credential is a token as devices make them"},
		{From: "internal/agent", To: []string{"internal/agent/...", "internal/security/agentconfig", "internal/security/event", "internal/security/schema"}, Why: "the agent is made of its parts, and writes security messages"},
	}
}

// wiringEdges: wiring.
func wiringEdges() []Edge {
	return []Edge{
		{From: "internal/app", To: []string{"internal/..."}, Why: "app alone wires everything"},
		{From: "internal/config", To: []string{"internal/app"}, Why: "a configuration file becomes the options of app"},
		{From: "cmd/tvilling", To: []string{"internal/app", "internal/client", "internal/config", "internal/device", "internal/enroll"}, Why: "one binary: server, REST client, simulated fleet"},
		{From: "cmd/tvilling-agent", To: []string{"internal/agent/..."}, Why: "the agent's commands"},
		{From: "cmd/tvilling", To: []string{"internal/agent/..."}, Why: "the demo has an agent of this machine"},
		{From: "cmd/tvilling", To: []string{"internal/security/agentconfig", "internal/security/attack", "internal/security/event"}, Why: "simulated agents report their configuration, and rehearse attacks; completion knows the names of events"},
	}
}

// testEdges: tests, and the packages that help them.
func testEdges() []Edge {
	return []Edge{
		{From: "internal/hub/...", To: []string{"internal/hub/...", "internal/store/memory"}, Why: "a whole core over the memory store, which is its fake", Test: true},
		{From: "internal/security/...", To: []string{"internal/hub/..."}, Why: "security is tried on a whole core", Test: true},
		{From: "internal/security/...", To: []string{"internal/security/event", "internal/security/schema", "internal/security/sample"}, Why: "security is tried with real and sampled messages", Test: true},
		{From: "internal/store/...", To: []string{"internal/security/ledger"}, Why: "one suite for every store of the ledger, with the memory store as its model", Test: true},
		{From: "internal/security/attack", To: []string{"internal/security/detection", "internal/security/indicator", "internal/security/rules"}, Why: "an attack is tried on the detections that it is to provoke", Test: true},
		{From: "internal/security/rules", To: []string{"internal/rulefile", "internal/security/detect", "internal/security/detection", "internal/security/indicator", "internal/security/sigma"}, Why: "the hub's rules are tried with the engine that runs them", Test: true},
		{From: "internal/notify/...", To: []string{"internal/security/deliver", "internal/store/securitymem"}, Why: "sinks are tried as they are run, over a real ledger in memory", Test: true},
		{From: "internal/security/sigma", To: []string{"internal/rulefile"}, Why: "the language is tried on rules as they are written", Test: true},
		{From: "internal/security/...", To: []string{"internal/store/securitymem"}, Why: "security is tried over the memory store, which is its fake", Test: true},
		{From: "internal/security/...", To: []string{"internal/security/ledger"}, Why: "security is tried with a ledger", Test: true},
		{From: "internal/console/alerts", To: []string{"internal/store/securitymem"}, Why: "pages are tried over a real ledger in memory", Test: true},
		{From: "internal/api/securityapi", To: []string{"internal/store/securitymem"}, Why: "requests are tried against a real ledger in memory", Test: true},
		{From: "internal/api/securityapi", To: []string{"internal/rulefile"}, Why: "rules are tried by the real engine, as they are written", Test: true},
		{From: "internal/security/...", To: []string{"internal/rulefile", "internal/security/sigma", "internal/security/detect", "internal/security/rules/corpus"}, Why: "detections are tried with rules as they are written", Test: true},
		{From: "internal/api/...", To: []string{"internal/hub/...", "internal/security/onboard"}, Why: "requests are tried against the real core", Test: true},
		{From: "internal/store/...", To: []string{"internal/store/...", "internal/hub/state", "internal/hub/twin/doc"}, Why: "one suite for every store, with the memory store as its model", Test: true},
		{From: "internal/hub/history", To: []string{"internal/store/sqlite"}, Why: "reading the past is measured over the store that keeps it", Test: true},
		{From: "internal/store/eventdb", To: []string{"internal/security/sample", "internal/security/schema"}, Why: "the store is tried and measured with what a fleet sends", Test: true},
		{From: "internal/app/apptest", To: []string{"internal/app", "internal/client"}, Why: "a whole hub in the test's process", Test: true},
		{From: "cmd/tvilling", To: []string{"internal/app/apptest"}, Why: "commands are tried against a whole hub", Test: true},
		{From: "internal/agent/...", To: []string{"internal/agent/...", "internal/security/event", "internal/security/schema"}, Why: "the agent's parts are tried together, and what they make is read as the hub reads it", Test: true},
		{From: "cmd/tvilling-agent", To: []string{"internal/security/event", "internal/security/schema"}, Why: "a snapshot is read as the hub reads it", Test: true},
		{From: "internal/agent/collect", To: []string{"internal/security/command"}, Why: "a command line is read back as the hub reads it", Test: true},
		{From: "internal/agent/...", To: []string{"internal/app/apptest", "internal/client", "internal/device", "internal/gateway/mqtt/packet"}, Why: "the agent is tried against a whole hub, or against a wire", Test: true},
		{From: "internal/agent/spool", To: []string{"internal/store/segment/faultfs"}, Why: "the spool is tried on the file system that crashes on demand", Test: true},
		{From: "test/...", To: []string{".", "internal/...", "packaging"}, Why: "tests of a whole hub may use whatever it is made of", Test: true},
	}
}

func foreign() []Foreign {
	return []Foreign{
		{Module: "github.com/goccy/go-yaml", In: []string{"internal/rulefile"}, Why: "the YAML of detection rules"},
		{Module: "github.com/pelletier/go-toml/v2", In: []string{"internal/config", "internal/agent/identity", "internal/agent/baseline"}, Why: "configuration files, and the checks of the baseline"},
		{Module: "github.com/cilium/ebpf", In: []string{"internal/agent/kernel"}, Why: "the instructions of eBPF programs, assembled without a compiler"},
		{Module: "golang.org/x/sys", In: []string{"internal/agent/..."}, Why: "system calls and constants of Linux"},
		{Module: "golang.org/x/crypto", In: []string{"internal/argon2id"}, Why: "Argon2id, which the standard library does not have"},
		{Module: "golang.org/x/term", In: []string{"cmd/tvilling"}, Why: "a password is typed on a terminal without being shown"},
		{Module: "github.com/spf13/cobra", In: []string{"cmd/tvilling"}, Why: "commands, help, completion"},
		{Module: "github.com/prometheus/client_golang", In: []string{"internal/app"}, Why: "metrics"},
		{Module: "zombiezen.com/go/sqlite", In: []string{"internal/store/sqlite", "internal/store/securitydb", "internal/store/eventdb"}, Why: "the embedded stores, without cgo"},
		{Module: "github.com/klauspost/compress", In: []string{"internal/store/eventdb"}, Why: "events are kept compressed (zstd)"},

		{Module: "github.com/google/go-cmp", In: []string{"..."}, Why: "differences of got and want", Test: true},
		{Module: "pgregory.net/rapid", In: []string{"..."}, Why: "properties", Test: true},
		{Module: "github.com/rogpeppe/go-internal", In: []string{"cmd/..."}, Why: "scripts that test the commands", Test: true},
		{Module: "golang.org/x/tools", In: []string{"..."}, Why: "txtar files", Test: true},
		{Module: "github.com/chromedp/chromedp", In: []string{"test/browser"}, Why: "a real browser, in tests of the console", Test: true},
		{Module: "github.com/chromedp/cdproto", In: []string{"test/browser"}, Why: "what that browser is asked beyond clicks and keys", Test: true},
	}
}

func bans() []Ban {
	core := []string{".", "internal/hub/...", "internal/security/..."}
	return []Ban{
		{In: core, Std: []string{"net/http/...", "net/rpc/...", "net/smtp"}, Why: "the core knows no wire protocol"},
		{In: core, Std: []string{"database/..."}, Why: "the core knows no database"},
		{In: core, Std: []string{"html/...", "text/template/..."}, Why: "the core renders nothing"},
		{In: core, Std: []string{"os/exec", "plugin"}, Why: "the core starts no programs"},
		{In: core, Std: []string{"log"}, Why: "the core logs through the slog.Logger it is given"},
		{In: []string{"internal/agent/..."}, Std: []string{"os/exec", "plugin"}, Why: "the agent starts no programs"},
		{In: []string{"internal/agent/..."}, Std: []string{"net/http/...", "net/rpc/...", "html/...", "text/template/..."}, Why: "the agent is small: an HTTP stack alone is 1.2 MB"},
		{In: []string{"internal/gateway/mqtt/packet", "internal/hub/twin/doc"}, Std: []string{"net/...", "os/...", "log/..."}, Why: "codecs are pure: bytes in, values out"},
	}
}

func isolated() [][]string {
	return [][]string{
		{"internal/gateway/...", "internal/api/...", "internal/store/...", "internal/notify/...", "internal/console/...", "internal/client/..."},
		{"internal/notify/webhook/...", "internal/notify/syslog/..."},
		{"internal/store/sqlite/...", "internal/store/memory/..."},
		{"internal/api/hubapi/...", "internal/api/securityapi/..."},
		{"internal/console/access/...", "internal/console/overview/...", "internal/console/start/...", "internal/console/devices/...", "internal/console/twins/...", "internal/console/alerts/...", "internal/console/recommendations/...", "internal/console/investigate/...", "internal/console/configurations/...", "internal/console/settings/...", "internal/console/jump/...", "internal/console/keys/...", "internal/console/gallery/..."},
	}
}
