package mqtt

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Authenticator proves that a client may be the identity that it says it is;
// an [auth.Authenticator] is one.
type Authenticator interface {
	// Connect returns an error of code Unauthorized for every refusal; any
	// other code means that it could not find out.
	Connect(ctx context.Context, id tvilling.Identity, c auth.Credentials) (auth.Principal, error)
}

// Sessions opens sessions; [Manage] makes one of a session.Manager.
type Sessions interface {
	// Open makes the session of a connection that proved who it is; an older
	// connection of the identity is closed. present says that a kept session
	// was found. c may be called from before Open returns until Done is called.
	Open(ctx context.Context, o session.Options, c session.Client) (s Session, present bool, err error)
}

// Session is an open session; a [session.Session] is one.
type Session interface {
	// Subscribe and Unsubscribe return when the change is as durable as the
	// session is.
	Subscribe(ctx context.Context, topics, atLeastOnce state.Topic) error
	Unsubscribe(ctx context.Context, topics state.Topic) error
	Topics() (topics, atLeastOnce state.Topic)
	// Sequence runs f while nothing is delivered to the client. It does not
	// run f once the session has ended.
	Sequence(f func())
	// Touch notes that the client was heard of.
	Touch()
	// Done ends the session; a nil reason means that the client disconnected.
	Done(reason error)
}

// Twins reads and reports twins; a twin.Service is one.
type Twins interface {
	// Device returns the document that a device reads of itself.
	Device(ctx context.Context, id tvilling.Identity) ([]byte, error)
	// DeviceInOrder is Device after every report made before it is durable.
	// done may not block.
	DeviceInOrder(id tvilling.Identity, done func(body []byte, err error))
	// Report merges a patch into the reported properties. It may wait while
	// the hub's queue is full. done is called once, when the change is durable
	// or refused, possibly before Report returns; it may not block.
	Report(id tvilling.Identity, actor string, body []byte, base int64, done func(version int64, err error))
}

// Messages takes messages; a message.Service is one.
type Messages interface {
	// Append makes msgs durable. It may wait while the hub's queue is full.
	// done is called once, possibly before Append returns; it may not block.
	Append(msgs []*tvilling.Message, done func(error))
}

// Manage returns the sessions of the hub's session manager.
func Manage(m *session.Manager) Sessions { return manager{m} }

type manager struct{ m *session.Manager }

func (m manager) Open(ctx context.Context, o session.Options, c session.Client) (Session, bool, error) {
	s, present, err := m.m.Open(ctx, o, c)
	if err != nil {
		return nil, false, err
	}
	return s, present, nil
}
