package onboard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// settingName is the store's name for the settings of this package.
const settingName = "security"

// ConfigurationObject is the key of the agent's configuration in the desired
// properties of the security module twin (asc §2.1).
const ConfigurationObject = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"

// Settings are what an operator can switch about the security of a hub.
type Settings struct {
	// GuardSecurityTwin keeps every policy without SecurityWrite from changing
	// security module twins, and every one without SecurityRead from reading
	// security messages.
	GuardSecurityTwin bool `json:"guardSecurityTwin"`
	// HideModuleKeys keeps device credentials from reading the keys of the
	// device's modules. Original agents that start with the device's identity
	// need to read them.
	HideModuleKeys bool `json:"hideModuleKeys"`
	// SecurityModule is the module kept beside every device.
	SecurityModule SecurityModule `json:"securityModule"`
}

// SecurityModule says whether devices get the module azureiotsecurity, and
// what its twin begins with.
type SecurityModule struct {
	Enabled bool            `json:"enabled"`
	Desired json.RawMessage `json:"desired,omitempty"`
	Tags    json.RawMessage `json:"tags,omitempty"`
}

// stored is the form of the settings in the store.
type stored struct {
	Settings
	// Adopted says that every device that was there when the rule was switched
	// on has been seen to.
	Adopted bool `json:"adopted"`
}

// Default is what a new hub starts with: the security module for every device,
// its configuration object empty, so that agents run on their documented defaults.
func Default() Settings {
	return Settings{SecurityModule: SecurityModule{
		Enabled: true,
		Desired: json.RawMessage(`{"` + ConfigurationObject + `":{}}`),
	}}
}

// rule is the companion rule that the settings ask for, nil for none.
func (s *Settings) rule() (*registry.Companion, error) {
	if !s.SecurityModule.Enabled {
		return nil, nil
	}
	rule := &registry.Companion{Module: tvilling.SecurityModule}
	var err error
	if rule.Desired, err = section(s.SecurityModule.Desired, doc.Desired); err != nil {
		return nil, err
	}
	rule.Tags, err = section(s.SecurityModule.Tags, doc.Tags)
	return rule, err
}

func section(raw json.RawMessage, part doc.Part) (*doc.Patch, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	p, err := doc.Parse(raw, part)
	if err != nil {
		return nil, err
	}
	// The initial content must fit a twin: a rule that could not be applied
	// would keep every device from being registered.
	_, err = doc.New(0).Replace(p, part, doc.Stamp{})
	return p, err
}

// Current returns the settings in force.
func (s *Service) Current() Settings { return s.current.Load().Settings }

// Change makes new settings durable and then puts them in force. Switching
// the security module on starts the adoption of the devices there are.
func (s *Service) Change(ctx context.Context, next Settings, actor string) error {
	rule, err := next.rule()
	if err != nil {
		return err
	}
	return s.commit.Do(ctx, func(tx *commit.Tx) error {
		old := s.current.Load()
		st := &stored{Settings: next, Adopted: old.Adopted}
		if next.SecurityModule.Enabled && !old.SecurityModule.Enabled {
			st.Adopted = false
		}
		if err := s.put(tx, st); err != nil {
			return err
		}
		body, err := json.Marshal(next)
		if err != nil {
			return fmt.Errorf("encode settings: %w", err)
		}
		tx.Record(state.Change{Op: state.ChangeSetting, Actor: actor, Body: body})
		tx.Effect(func() {
			s.current.Store(st)
			s.registry.SetCompanion(rule)
			select {
			case s.wake <- struct{}{}:
			default: // already awake
			}
		})
		return nil
	})
}

func (s *Service) put(tx *commit.Tx, st *stored) error {
	b, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	tx.PutSetting(settingName, b)
	return nil
}
