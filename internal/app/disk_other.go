//go:build !linux && !darwin && !freebsd

package app

import "github.com/tvilling/tvilling/internal/hub/health"

// disk knows nothing of the file systems of this system.
func disk(string) health.Disk { return health.Disk{} }
