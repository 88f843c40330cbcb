//go:build !linux

package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/tvilling/tvilling/internal/app"
)

// demoAgent does nothing: the security agent is one of Linux.
func demoAgent(context.Context, *fleet, string, app.Endpoints, *slog.Logger, io.Writer) (stop func(), err error) {
	return func() {}, nil
}
