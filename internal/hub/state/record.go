package state

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// AuthType is how an identity proves who it is (wire §2.1, authenticationType).
type AuthType string

// The ways to authenticate.
const (
	SAS                  AuthType = "sas"
	SelfSigned           AuthType = "selfSigned"
	CertificateAuthority AuthType = "certificateAuthority"
	None                 AuthType = "none"
)

// Authentication is the credential of an identity. Symmetric keys are sealed:
// only package auth can open them.
type Authentication struct {
	Type                AuthType
	SealedPrimary       []byte
	SealedSecondary     []byte
	PrimaryThumbprint   string // hex, upper case; empty when unset
	SecondaryThumbprint string
}

// Identity is the record of a device or a module.
type Identity struct {
	ID tvilling.Identity
	// Generation tells one life of an id from the next: a decimal string,
	// never the same for two registrations of an id.
	Generation string
	// Version counts the accepted changes of this record; the etag is made of it.
	Version uint64

	Disabled      bool
	StatusReason  string
	StatusUpdated time.Time // zero until the status is first changed
	Created       time.Time

	Auth Authentication

	Edge         bool // capabilities.iotEdge
	DeviceScope  string
	ParentScopes []string
	ManagedBy    string // modules

	// Companion marks a module that the companion rule made or adopted: it
	// does not count to the modules a device may have.
	Companion bool
	// Pristine says that nobody but the hub has written this identity yet: a
	// create by PUT still succeeds on it.
	Pristine bool
	// CompanionOptOut, on a device, says that its companion module was deleted
	// on purpose and is not to be made again.
	CompanionOptOut bool
}

// ETag is the identity's etag: base64 of a decimal string (wire §2.1).
func (r *Identity) ETag() tvilling.ETag {
	return tvilling.ETag(base64.StdEncoding.EncodeToString(strconv.AppendUint(nil, r.Version, 10)))
}

// Twin is the document of an identity, in compact form.
type Twin struct {
	ID       tvilling.Identity
	Tags     doc.Section
	Desired  doc.Section
	Reported doc.Section
	// Version counts accepted changes of tags and desired properties, from 2
	// on; Revision counts likewise from 1 and makes the etag (wire §2.1).
	Version  int64
	Revision uint64
	ModelID  string
	// Owned are the root members that the hub keeps in the document for a part
	// of itself, ascending by name. They touch no version and no etag. The
	// slice is never changed in place.
	Owned []Owned
}

// Owned is a read-only root member of a twin's document.
type Owned struct {
	Name  string
	Value doc.Section
}

// Member returns the content of an owned member, nil if there is none.
func (t *Twin) Member(name string) doc.Section {
	for i := range t.Owned {
		if t.Owned[i].Name == name {
			return t.Owned[i].Value
		}
	}
	return nil
}

// RootMembers returns the names of the members that a twin's document has of
// its own (wire §2.1).
func RootMembers() []string {
	return []string{
		"deviceId", "moduleId", "etag", "deviceEtag", "status", "statusReason", "statusUpdateTime",
		"connectionState", "lastActivityTime", "cloudToDeviceMessageCount", "authenticationType", "x509Thumbprint", "modelId",
		"version", "tags", "properties", "capabilities", "deviceScope", "parentScopes", "configurations",
	}
}

// ETag is the twin's etag: base64 of an 8-byte big-endian counter (wire §2.1).
func (t *Twin) ETag() tvilling.ETag {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], t.Revision)
	return tvilling.ETag(base64.StdEncoding.EncodeToString(b[:]))
}

// NewTwin returns the twin of a fresh identity: empty sections of version 1.
func NewTwin(id tvilling.Identity) *Twin {
	return &Twin{ID: id, Tags: doc.New(0), Desired: doc.New(1), Reported: doc.New(1), Version: 2, Revision: 1}
}

// Topic is one kind of delivery that a session can be subscribed to.
type Topic uint8

// The kinds of delivery, each a bit of [Session.Topics].
const (
	TwinResponses  Topic = 1 << iota // answers to twin requests
	TwinDesired                      // desired property changes
	Methods                          // direct method calls
	CloudToDevice                    // cloud-to-device messages
	Inputs                           // messages to a module's inputs
	ModuleWildcard                   // everything below a module (MQTT devices/d/modules/m/#)
	ModuleMessages                   // a module's messages/devicebound
)

// Session is what outlives the connection of an identity.
type Session struct {
	ID tvilling.Identity
	// Present says that the client asked for its session to be kept
	// (CleanSession 0); Topics and AtLeastOnce are then its subscriptions and
	// which of them were granted QoS 1.
	Present     bool
	Topics      Topic
	AtLeastOnce Topic
	// ClientType is what the client said it is (DeviceClientType).
	ClientType string
	// LastActivity and StateUpdated are as of the last connect or disconnect.
	LastActivity time.Time
	StateUpdated time.Time
}

// Counters are the statistics of a registry.
type Counters struct {
	Devices, DisabledDevices, Modules int64
}
