//go:build linux

package collect

// HardwareChange and OSRelease are for tests.
var (
	HardwareChange = hardwareChange
	OSRelease      = osRelease
	RootMount      = rootMount
	RootParameter  = rootParameter
)
