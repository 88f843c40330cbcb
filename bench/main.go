package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	// The floor's server runs in a process of its own, as the hub does.
	if len(os.Args) > 1 && os.Args[1] == echoRole {
		if err := runEcho(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		only    = flag.String("case", "", "run only cases that match this `regexp`, such as ^patch/ or hub$")
		quick   = flag.Bool("quick", false, "a tenth of the devices and short runs: to see that everything works, not to quote")
		dir     = flag.String("dir", "", "`directory` for data, on the disk to measure (default: a temporary one)")
		hub     = flag.String("hub", "", "tvilling `binary` to measure (default: built from this tree)")
		profile = flag.String("profile", "", "`directory` to leave profiles of the hub in; profiling costs a few percent")
		burst   = flag.Duration("burst", fullScale.Burst, "how long the burst of security messages lasts; the figure that the hub is built for is of 60s")
		idle    = flag.Duration("agent-idle", fullScale.AgentIdle, "how long the security agent is watched while it idles; the figure that it is built for is of 10m")
		fleet   = flag.String("fleet", "", "`directory` to keep the fleet's data in, so that a later run need not make it again")
		list    = flag.Bool("list", false, "list the cases and end")
	)
	flag.Parse()
	if flag.NArg() > 0 {
		return errors.New("bench takes flags only; see -help")
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-case: %w", err)
	}
	if *list {
		for _, c := range cases() {
			fmt.Printf("%-22s %s\n", c.name, c.about)
		}
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b, err := newBench(fullScale, *dir, *hub, *profile)
	if err != nil {
		return err
	}
	b.scale.Burst, b.scale.AgentIdle, b.fleet = *burst, *idle, *fleet
	if *quick {
		b.scale = quickScale
	}
	return errors.Join(b.runAll(ctx, match), b.close())
}

// A benchCase is one row of what is measured. It reports figures, or
// [errSkip] with the reason.
type benchCase struct {
	name, about string
	run         func(ctx context.Context, b *bench) error
}

// cases are in the order that they run: what is compared stands together.
func cases() []benchCase {
	return []benchCase{
		{"disk", "fsync rate, for scale", runDisk},
		{"start/hub", "empty start to ready", runStart},
		{"patch/hub", "durable reported patches, 256 in flight", runPatch},
		{"patch/floor", "the same load against a server that only answers", runPatchFloor},
		{"patch/postgresql", "updates of the same documents as jsonb", runPostgres},
		{"patch/nats", "updates of the same documents in JetStream KV, sync always", runNATS},
		{"patch/hub-again", "the first of these once more, to see what the machine did meanwhile", runPatch},
		{"patch-one/hub", "durable reported patches, one client, one in flight", runPatchOne},
		{"get/hub", "twin GET, 256 in flight", runGet},
		{"get/floor", "the same load against a server that only answers", runGetFloor},
		{"telemetry/hub", "QoS 1 telemetry, durable, 20 in flight on each connection", runTelemetry},
		{"telemetry/floor", "the same load against a server that only answers", runTelemetryFloor},
		{"telemetry/mosquitto", "the same load against mosquitto, which keeps nothing", runTelemetryMosquitto},
		{"idle/hub", "memory of an idle TLS connection with a twin subscription", runIdle},
		{"idle/mosquitto", "memory of an idle TLS connection with a subscription", runIdleMosquitto},
		{"query/hub", "a query that has to look at every twin", runQuery},
		{"fleet-query/hub", "what operators ask of a fleet: counts, groups, pages, scans; index and memory", runFleetQuery},
		{"fleet-query/postgresql", "the same questions over the same documents as jsonb", runFleetPostgres},
		{"fleet-console/hub", "pages of the console over a whole fleet; a row changes while many look", runFleetConsole},
		{"fleet-patch/hub", "what the index costs: reported patches with it and without", runFleetPatch},
		{"fleet-connected/hub", "a configuration changes: until the last of many connected security modules is told", runFleetConnected},
		{"fleet-configured/hub", "a configuration over the whole fleet, while devices write", runFleetConfigured},
		{"security-pipeline/hub", "a backlog of security messages, one of each device: decode, store, detect", runSecurityPipeline},
		{"security-stages/one-core", "what one step costs, beside encoding/json and rows in SQLite", runSecurityStages},
		{"security-disk/hub", "disk for each event of the backlog", runSecurityDisk},
		{"security-memory/hub", "memory for each device whose logins, accounts and ports are known", runSecurityMemory},
		{"security-latency/hub", "5,000 events a second over MQTT: attack sent to webhook told", runSecurityLatency},
		{"security-burst/hub", "25,000 events a second over MQTT: nothing lost, and how long the rest takes", runSecurityBurst},
		{"agent-size/agent", "the security agent's binary, stripped, for each architecture", runAgentSize},
		{"agent-idle/agent", "its memory and processor time while nothing happens", runAgentIdle},
		{"agent-starts/ebpf", "200 programs started a second, told by eBPF and counted at the hub", runStartsEBPF},
		{"agent-starts/netlink", "the same load, told by the proc connector", runStartsNetlink},
		{"agent-starts/auditd", "the same load under auditd", runStartsAuditd},
		{"agent-flood/agent", "1,000 programs started a second, more than the agent's budget allows for", runAgentFlood},
		{"agent-alert/agent", "a coin miner is started: to the webhook that is told of the alert", runAgentAlert},
		{"agent-baseline/agent", "all checks of the baseline, and one snapshot of everything", runAgentBaseline},
		{"agent-baseline/lynis", "an audit by Lynis of the same machine", runLynis},
		{"agent-uplink/agent", "what is sent in a day in which nothing happens", runAgentUplink},
		{"agent-setting/agent", "what one changed setting sends both ways", runAgentSetting},
	}
}

// scale says how much is measured and for how long.
type scale struct {
	Devices       int // in the store
	Fleet         int // devices with security modules in use, of the fleet cases
	Connections   int // of the patch and get cases
	Idle          int
	Publishers    int
	Starts        int
	Agents        int // connections of the security cases
	Latency       time.Duration
	Burst         time.Duration
	Warm, Measure time.Duration

	// These are of the security agent: how long it is watched while it idles,
	// how long programs are started under its eyes, and how many attacks.
	AgentIdle, AgentStarts, AgentFlood time.Duration
	AgentAlerts                        int
}

// inFlight is how many requests the patch and get cases keep on their way, and
// window how many messages each connection of the telemetry case.
const (
	inFlight = 256
	window   = 20
)

var (
	fullScale = scale{Devices: 100_000, Fleet: 1_000_000, Connections: 1000, Idle: 8000, Publishers: 64, Starts: 9, Agents: 2000, Latency: 30 * time.Second, Burst: 20 * time.Second, Warm: 4 * time.Second, Measure: 12 * time.Second,
		AgentIdle: 2 * time.Minute, AgentStarts: time.Minute, AgentFlood: 20 * time.Second, AgentAlerts: 100}
	quickScale = scale{Devices: 10_000, Fleet: 20_000, Connections: 300, Idle: 1000, Publishers: 16, Starts: 3, Agents: 200, Latency: 5 * time.Second, Burst: 3 * time.Second, Warm: time.Second, Measure: 3 * time.Second,
		AgentIdle: 10 * time.Second, AgentStarts: 5 * time.Second, AgentFlood: 5 * time.Second, AgentAlerts: 5}
)
