package identity

import (
	"context"
	"path/filepath"
	"sync"
)

// Source has the module's credential. Its methods may be called from several
// goroutines at once; they wait for each other.
type Source struct {
	// mu guards what follows, and is held while the hub is asked.
	mu      sync.Mutex
	conf    Config
	current Credential
	have    bool
}

// New returns the source of a configuration. It reads the files that the
// configuration names, and connects to nothing.
func New(c Config) (*Source, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, err := c.prove()
	if err != nil {
		return nil, err
	}
	if _, err := c.tlsConfig(p.cert); err != nil {
		return nil, err
	}
	return &Source{conf: c}, nil
}

// Credential returns the credential. The first time, with a device's key,
// certificate or token, it asks the hub for the module's key; the codes of its
// errors are NotFound for a file, ModuleNotFound, Unauthorized, InvalidArgument,
// and Unavailable where trying again later makes sense.
func (s *Source) Credential(ctx context.Context) (Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.have {
		return s.current, nil
	}
	return s.load(ctx, false)
}

// Refresh reads the files again, asks the hub again where that is the way, and
// returns what the credential is now. It is for a credential that the hub has
// refused: keys and certificates are replaced. If it fails, the credential stays
// what it was.
func (s *Source) Refresh(ctx context.Context) (Credential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(ctx, true)
}

func (s *Source) load(ctx context.Context, again bool) (Credential, error) {
	p, err := s.conf.prove()
	if err != nil {
		return Credential{}, err
	}
	c := &s.conf
	cred := Credential{HostName: c.HostName, ID: c.ID(), Addr: hostPort(c.server(), c.MQTTPort), Key: p.key, Token: p.token}
	own := p.cert // what the module itself connects with
	if p.ofDevice {
		own, cred.Token = nil, ""
		if cred.Key, err = c.moduleKey(ctx, p, again); err != nil {
			return Credential{}, err
		}
	}
	if cred.TLS, err = c.tlsConfig(own); err != nil {
		return Credential{}, err
	}
	s.current, s.have = cred, true
	return cred, nil
}

// moduleKey gets the module's key with the device's proof.
func (c *Config) moduleKey(ctx context.Context, p proof, again bool) (string, error) {
	if !p.kept {
		return c.fetchKey(ctx, p)
	}
	path := c.keptKeyFile()
	if !again {
		if key, err := readSecretText(path); err == nil {
			return key, nil
		}
	}
	key, err := c.fetchKey(ctx, p)
	if err != nil {
		return "", err
	}
	return key, keepSecret(path, key)
}

// keptKeyFile is where the module's key is kept that was fetched with a token.
func (c *Config) keptKeyFile() string { return filepath.Join(c.StateDirectory, "module-key") }
