// Package packaging has the files that packages and installers put on a
// machine.
package packaging

import _ "embed"

// AgentUnit is the systemd unit of tvilling-agent.
//
//go:embed tvilling-agent.service
var AgentUnit string

// AgentInit is an init script of tvilling-agent for systems without systemd.
//
//go:embed tvilling-agent.init
var AgentInit string

// AgentInstall is the script that installs tvilling-agent from a hub; words in
// %…% are the hub's to fill in.
//
//go:embed install-agent.sh
var AgentInstall string
