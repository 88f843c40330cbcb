package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// runNATS measures a key-value bucket of JetStream with "sync always", which is
// what makes an acknowledged write durable there. The server runs in the
// generator's process and is spoken to without sockets, in its favour; an
// update reads the document and writes it with some bytes changed, if nobody
// else has meanwhile.
func runNATS(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "nats")
	// Filled without syncing each document, which would take minutes.
	err := withKV(ctx, dir, false, func(kv jetstream.KeyValue, js jetstream.JetStream) error {
		var last jetstream.PubAckFuture
		for i := range b.scale.Devices {
			var err error
			last, err = js.PublishAsync("$KV.twins."+string(deviceID(i)), makeDocument(i).whole())
			if err != nil {
				return err
			}
		}
		select {
		case <-js.PublishAsyncComplete():
		case err := <-last.Err():
			return err
		case <-time.After(2 * time.Minute):
			return errors.New("filling the bucket took over two minutes")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return withKV(ctx, dir, true, func(kv jetstream.KeyValue, _ jetstream.JetStream) error {
		var busy [1024]sync.Mutex // two at once on a document would only retry
		update := func(ctx context.Context, i int, pick uint64) error {
			busy[i%len(busy)].Lock()
			defer busy[i%len(busy)].Unlock()
			e, err := kv.Get(ctx, string(deviceID(i)))
			if err != nil {
				return err
			}
			doc := append([]byte(nil), e.Value()...)
			copy(doc[len(doc)-22:], fmt.Sprintf("%020d", pick))
			_, err = kv.Update(ctx, e.Key(), doc, e.Revision())
			return err
		}
		for _, c := range []struct {
			suffix string
			n      int
			d      time.Duration
		}{{"", inFlight, b.scale.Measure * 2 / 3}, {", one client", 1, b.scale.Measure / 3}} {
			m := &meter{}
			r, err := b.callers(ctx, c.n, c.d, update, m)
			if err != nil {
				return err
			}
			b.measured(r, m, c.suffix, Figure{}, Figure{})
		}
		return nil
	})
}

func withKV(ctx context.Context, dir string, syncAlways bool, f func(jetstream.KeyValue, jetstream.JetStream) error) error {
	s, err := server.NewServer(&server.Options{
		DontListen: true, JetStream: true, StoreDir: dir, SyncAlways: syncAlways, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(time.Minute) {
		return errors.New("the NATS server did not come up")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(512))
	if err != nil {
		return err
	}
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "twins", History: 1, Storage: jetstream.FileStorage})
	if err != nil {
		return err
	}
	return f(kv, js)
}
