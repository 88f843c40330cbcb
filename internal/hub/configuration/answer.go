package configuration

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Metrics are the figures of a configuration.
type Metrics struct {
	// Targeted is how many twins the target condition finds, Applied how many
	// have what the configuration says.
	Targeted, Applied int64
	// Custom are the rows that each custom metric's query returns, or how many
	// groups; Failed says why a metric has none.
	Custom map[string]int64
	Failed map[string]string
	// Time is when the figures were true.
	Time time.Time
}

// State says where a configuration is.
type State string

// The states of a configuration.
const (
	Applying    State = "applying"    // twins are being looked at
	Applied     State = "applied"     // every targeted twin was looked at; new ones follow at once
	Waiting     State = "waiting"     // a step of a rollout is finished and watched
	Paused      State = "paused"      // nothing is written until it is resumed
	Halted      State = "halted"      // it goes no further until it is resumed
	RollingBack State = "rollingBack" // what it wrote is being removed
	RolledBack  State = "rolledBack"  // what it wrote is removed; resume begins anew
)

// Progress says how far a configuration has come.
type Progress struct {
	ID    string
	State State
	// Reason says why, for people: of a halt, a roll-back, a pass that fails.
	Reason string
	// Step is the step under way, from 1 on, and Steps how many there are, the
	// one for all the twins that are left included; 0 and 0 without a rollout.
	Step, Steps int
	// Reach is how many twins the step is to come to; -1 says all.
	Reach int64
	// Next is when the next step begins, if nothing is wrong; zero otherwise.
	Next time.Time
	// Looked is how many twins the pass under way, or the last one, has looked
	// at, Blocked how many of them it could not give what they should have.
	Looked, Blocked int64
	// Damped is how many twins the configuration is kept from for a while,
	// since it and others keep undoing each other's work on them.
	Damped int64
	// Unhealthy and Watched are the figures of the last look at the health
	// condition: how many of how many.
	Unhealthy, Watched int64
	// Updated is when the state last changed.
	Updated time.Time
}

// Edit is one change of the desired properties.
type Edit struct {
	// Path is below desired, "a.b".
	Path string
	// Old and New are JSON, nil for nothing there.
	Old, New []byte
	// By is the configuration that sets New, or whose value Old was if it is removed.
	By string
}

// TwinPlan is what a configuration would do to one twin.
type TwinPlan struct {
	ID tvilling.Identity
	// Targeted says that the condition finds the twin.
	Targeted bool
	// Status is "Applied" or "Targeted", "" for a twin that it leaves alone.
	Status string
	// Reason says why it is not applied.
	Reason string
	Edits  []Edit
}

// DryRun is one page of what a new or changed configuration would do.
type DryRun struct {
	// Targeted is how many twins the condition finds in all, Leaving how many
	// the present definition has marked that the new condition does not find.
	Targeted, Leaving int64
	Twins             []TwinPlan
	// Next is where the next page begins, zero if there is none.
	Next tvilling.Identity
	// Notices are those of [Service.Notices].
	Notices []Notice
}

// Wish is a value that a configuration wants.
type Wish struct {
	Configuration string
	// Value is JSON, nil if the configuration wants nothing to be there.
	Value []byte
}

// Leaf is one desired value and where it comes from.
type Leaf struct {
	// Path is below desired, "a.b".
	Path string
	// Value is JSON, nil if there is nothing.
	Value []byte
	// Actor set it, at Time and in Version of the section.
	Actor   string
	Time    time.Time
	Version int64
	// Wishes are the configurations that want something of this path, in order:
	// the first is in force, the second would be next.
	Wishes []Wish
}

// Part is what one configuration is to one twin.
type Part struct {
	Configuration string
	Priority      int
	Targeted      bool
	// Status is "Applied", "Targeted" or "", as the twin shows it now.
	Status string
	// Reason says why it is not applied, or not kept up, for people.
	Reason string
}

// Explanation says of each desired value of a twin who set it and what would.
type Explanation struct {
	ID             tvilling.Identity
	Leaves         []Leaf
	Configurations []Part
}
