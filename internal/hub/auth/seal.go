package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tvilling/tvilling"
)

// HubKeyBytes is the length of the key of a hub.
const HubKeyBytes = 32

// sealVersion is the first byte of everything sealed: AES-256-GCM with a
// random nonce before the text.
const sealVersion = 1

// Sealer encrypts what a hub must be able to read back, symmetric keys above
// all, under the key of the hub. It is safe for concurrent use.
type Sealer struct {
	aead        cipher.AEAD
	fingerprint []byte
	mark        []byte
}

// NewSealer returns the sealer of a hub key of [HubKeyBytes] bytes.
func NewSealer(hubKey []byte) (*Sealer, error) {
	if len(hubKey) != HubKeyBytes {
		return nil, tvilling.Errorf(tvilling.InvalidArgument,
			"The key of a hub must have %d bytes; this one has %d.", HubKeyBytes, len(hubKey))
	}
	// Each use has a key of its own, so that none weakens another.
	sealing, err := hkdf.Key(sha256.New, hubKey, nil, "tvilling seal 1", HubKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	fingerprint, err := hkdf.Key(sha256.New, hubKey, nil, "tvilling fingerprint 1", HubKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the fingerprint key: %w", err)
	}
	mark, err := hkdf.Key(sha256.New, hubKey, nil, "tvilling credential mark 1", HubKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the key of marks: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("set up the cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("set up the cipher: %w", err)
	}
	return &Sealer{aead: aead, fingerprint: fingerprint, mark: mark}, nil
}

// Seal encrypts plain for a purpose such as "device/d/primary". It opens for
// the same purpose only, so one record's sealed key is useless in another.
func (s *Sealer) Seal(purpose string, plain []byte) []byte {
	out := make([]byte, 1, 1+len(plain)+s.aead.Overhead())
	out[0] = sealVersion
	return s.aead.Seal(out, nil, plain, []byte(purpose)) //nolint:gosec // no nonce is given: the cipher makes a random one
}

// Open decrypts what Seal made for the same purpose. The error is Corrupt.
func (s *Sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, &tvilling.Error{
			Code: tvilling.Corrupt, Op: "open sealed key", Subject: purpose,
			Message: "The sealed key has no form that this version knows; it is damaged or was written by a newer version.",
		}
	}
	plain, err := s.aead.Open(nil, nil, sealed[1:], []byte(purpose))
	if err != nil {
		return nil, &tvilling.Error{
			Code: tvilling.Corrupt, Op: "open sealed key", Subject: purpose, Err: err,
			Message: "The sealed key does not open; it is damaged, or was sealed with another hub key. Start the hub with the key file that its data was written with.",
		}
	}
	return plain, nil
}

// SealPair seals both keys of a pair. An empty key stays nil.
func (s *Sealer) SealPair(owner string, p Pair) (primary, secondary []byte) {
	seal := func(slot, key string) []byte {
		if key == "" {
			return nil
		}
		return s.Seal(owner+slot, []byte(key))
	}
	return seal("/primary", p.Primary), seal("/secondary", p.Secondary)
}

// OpenPair opens what SealPair made for the same owner; nil is an empty key.
func (s *Sealer) OpenPair(owner string, primary, secondary []byte) (Pair, error) {
	open := func(slot string, sealed []byte) (string, error) {
		if len(sealed) == 0 {
			return "", nil
		}
		plain, err := s.Open(owner+slot, sealed)
		return string(plain), err
	}
	var p Pair
	var err error
	if p.Primary, err = open("/primary", primary); err != nil {
		return Pair{}, err
	}
	if p.Secondary, err = open("/secondary", secondary); err != nil {
		return Pair{}, err
	}
	return p, nil
}

// IdentityOwner is the owner under which the keys of an identity are sealed:
// "device/d" or "module/d/m". Ids have no slash, so no two identities share one.
func IdentityOwner(id tvilling.Identity) string {
	if id.IsModule() {
		return "module/" + id.String()
	}
	return "device/" + id.String()
}

// policyOwner is the owner of a policy's keys. Names differ by more than case.
func policyOwner(name string) string { return "policy/" + strings.ToLower(name) }

// Fingerprint tells secrets of one kind apart without giving them away: it is
// keyed, so a guessed secret cannot be checked against it.
func (s *Sealer) Fingerprint(kind string, secret []byte) string {
	mac := hmac.New(sha256.New, s.fingerprint)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write(secret)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// MarkBytes is the length of a mark.
const MarkBytes = 16

// MarkKey and MarkThumbprint return a mark of a symmetric key or a thumbprint:
// bytes that are equal for equal ones, whoever has them, and that tell nothing
// else to whoever has not the hub key. Marks are kept on disk; they are made
// with a key of their own, so that none can be compared with a [Sealer.Fingerprint].
func (s *Sealer) MarkKey(key string) []byte { return s.markOf(kindKey, key) }

// MarkThumbprint is like MarkKey. The letter case does not matter.
func (s *Sealer) MarkThumbprint(thumbprint string) []byte {
	return s.markOf(kindCertificate, strings.ToUpper(thumbprint))
}

func (s *Sealer) markOf(kind, secret string) []byte {
	mac := hmac.New(sha256.New, s.mark)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(secret))
	return mac.Sum(nil)[:MarkBytes:MarkBytes]
}
