package configuration

import (
	"context"
	"errors"
	"time"

	"github.com/tvilling/tvilling"
)

// MaxConfigurations bounds the configurations of a hub (wire §4.5).
const MaxConfigurations = 100

// MaxMetrics bounds the custom metrics of a configuration (wire §4.5).
const MaxMetrics = 5

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
	Applying   State = "applying"   // twins are being looked at
	Applied    State = "applied"    // every targeted twin was looked at; new ones follow at once
	Waiting    State = "waiting"    // a step of a rollout is finished and watched
	Paused     State = "paused"     // nothing is written until it is resumed
	Halted     State = "halted"     // it goes no further until it is resumed
	RolledBack State = "rolledBack" // what it wrote is removed; resume begins anew
	Removing   State = "removing"   // it is deleted, and what it wrote is being removed
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
	// Status is "Applied", "Targeted" or "".
	Status string
	// Reason says why it is not applied, for people.
	Reason string
}

// Explanation says of each desired value of a twin who set it and what would.
type Explanation struct {
	ID             tvilling.Identity
	Leaves         []Leaf
	Configurations []Part
}

// Service keeps the configurations of a hub and applies them.
type Service struct{}

// errNotBuilt is what a method answers that is not there yet.
var errNotBuilt = errors.New("not built yet")

// Run applies configurations until ctx ends.
func (s *Service) Run(ctx context.Context) { <-ctx.Done() }

// Put creates or updates a configuration and returns it as it is then. Without
// a condition it creates (ConfigurationAlreadyExists if the id is taken); with
// one it updates (ConfigurationNotFound, PreconditionFailed). An update may not
// change the content (ImmutableConfigurationContent) and leaves Paused as it is; one
// with a nil Rollout keeps the rollout that there is, one without steps ends it.
func (s *Service) Put(ctx context.Context, c Configuration, match tvilling.Match, actor string) (Configuration, error) {
	return Configuration{}, errNotBuilt
}

// Get returns a configuration; ConfigurationNotFound if there is none.
func (s *Service) Get(ctx context.Context, id string) (Configuration, error) {
	return Configuration{}, errNotBuilt
}

// List returns all configurations, ascending by id.
func (s *Service) List(ctx context.Context) ([]Configuration, error) { return nil, errNotBuilt }

// Delete removes a configuration, and then what it wrote from every twin.
func (s *Service) Delete(ctx context.Context, id string, match tvilling.Match, actor string) error {
	return errNotBuilt
}

// Test says what is wrong with a target condition and with each of the queries
// of custom metrics; what is right is not mentioned.
func (s *Service) Test(target string, queries map[string]string) (targetError string, queryErrors map[string]string) {
	return "", nil
}

// Metrics returns the figures of a configuration.
func (s *Service) Metrics(ctx context.Context, id string) (Metrics, error) {
	return Metrics{}, errNotBuilt
}

// Progress says how far a configuration has come.
func (s *Service) Progress(ctx context.Context, id string) (Progress, error) {
	return Progress{}, errNotBuilt
}

// Plan says what a new or changed configuration would do to the twins after an
// identity, at most limit of them (1 to 100), without doing it. Steps of a
// rollout are not waited for.
func (s *Service) Plan(ctx context.Context, c Configuration, after tvilling.Identity, limit int) (*DryRun, error) {
	return nil, errNotBuilt
}

// Why explains the desired properties of a twin.
func (s *Service) Why(ctx context.Context, id tvilling.Identity) (*Explanation, error) {
	return nil, errNotBuilt
}

// Pause keeps a configuration from writing until it is resumed. What it has
// written stays; twins that leave its condition lose it as ever.
func (s *Service) Pause(ctx context.Context, id, actor string) (Progress, error) {
	return Progress{}, errNotBuilt
}

// Resume lets a paused or halted configuration go on where it was, and one
// that was rolled back begin anew.
func (s *Service) Resume(ctx context.Context, id, actor string) (Progress, error) {
	return Progress{}, errNotBuilt
}

// Advance begins the next step of a rollout now, whatever the present one
// waits for. InvalidArgument if there is no further step.
func (s *Service) Advance(ctx context.Context, id, actor string) (Progress, error) {
	return Progress{}, errNotBuilt
}

// Rollback removes what a configuration wrote from every twin, and keeps it so
// until it is resumed.
func (s *Service) Rollback(ctx context.Context, id, actor string) (Progress, error) {
	return Progress{}, errNotBuilt
}
