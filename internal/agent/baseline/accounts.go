package baseline

// AccountRule is a test of users and groups that the agent has by name.
type AccountRule string

// accountRules are the rules there are.
var accountRules = map[AccountRule]struct{}{
	"only-root-uid-0": {}, "root-gid-0": {}, "no-empty-passwords": {}, "passwords-shadowed": {},
	"passwords-hashed-well": {}, "password-dates-past": {}, "system-accounts-no-login": {},
	"unique-uids": {}, "unique-gids": {}, "unique-users": {}, "unique-groups": {}, "groups-exist": {},
	"no-legacy-entries": {}, "homes-exist": {}, "homes-owned": {}, "homes-private": {},
}
