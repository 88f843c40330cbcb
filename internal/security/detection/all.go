package detection

import "github.com/tvilling/tvilling/internal/security/detect"

// All returns the detections of this package, in the order of their ids.
func All() []detect.Stateful {
	return []detect.Stateful{
		AgentConfigurationNotParsed(),
		BruteForceFailed(),
		BruteForceSuccess(),
		DeviceSilent(),
		DownloadThenRunSequence(),
		FirewallOpened(),
		GroupMemberAdded(),
		GroupMemberRemoved(),
		LocalLoginFailed(),
		LocalLoginSucceeded(),
		LocalUserAdded(),
		LocalUserDeleted(),
	}
}
