//go:build !linux

package link

import (
	"context"
	"time"
)

// pauseForNetwork is pause where nobody tells that the network is back.
func pauseForNetwork(ctx context.Context, d time.Duration) bool { return pause(ctx, d) }
