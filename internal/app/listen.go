package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// listen binds all addresses before anything is served, so that a port that is
// taken stops the start and not a running hub.
func (a *App) listen(ctx context.Context) (err error) {
	if a.mqtt, err = a.bind(ctx, "mqtt", a.opt.MQTT); err != nil {
		return err
	}
	if a.admin, err = a.bind(ctx, "admin", a.opt.Admin); err != nil {
		return err
	}
	addresses := a.opt.HTTPS
	if len(addresses) == 0 {
		if addresses, err = a.defaultHTTPS(ctx); err != nil {
			return err
		}
	}
	for _, address := range addresses {
		l, err := a.bind(ctx, "https", address)
		if err != nil {
			return err
		}
		a.https = append(a.https, l)
	}
	return nil
}

// defaultHTTPS takes port 443, which most clients have fixed, if it may; it
// returns the address to take otherwise.
func (a *App) defaultHTTPS(ctx context.Context) ([]string, error) {
	l, err := a.bind(ctx, "https", ":443")
	if err == nil {
		a.https = append(a.https, l)
		return nil, nil
	}
	if !errors.Is(err, os.ErrPermission) && !errors.Is(err, syscall.EADDRINUSE) {
		return nil, err
	}
	a.log.WarnContext(ctx, "https is on :8443, not on the :443 that most clients have fixed", "reason", err.Error())
	return []string{":8443"}, nil
}

func (a *App) bind(ctx context.Context, flag, address string) (net.Listener, error) {
	conf := net.ListenConfig{}
	if flag == "mqtt" {
		// MQTT has its own keep-alive; probing every idle device would only
		// wake it up.
		conf.KeepAlive = -1
	}
	l, err := conf.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s for %s: %w%s", address, flag, err, remedy(flag, address, err))
	}
	a.stops.push(func() error {
		// Closed already when the hub has served on it.
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// remedy says what to do about an address that could not be bound.
func remedy(flag, address string, err error) string {
	switch {
	case errors.Is(err, os.ErrPermission):
		return "; ports below 1024 need a right: run\n  sudo setcap cap_net_bind_service=+ep \"$(command -v tvilling)\"\nor give another port by --" + flag
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program has it: find it by\n  ss -ltnp\nor give another address than " + address + " by --" + flag
	default:
		return ""
	}
}
