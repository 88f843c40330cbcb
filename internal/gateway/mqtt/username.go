package mqtt

import (
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
)

// User is what the user name of a CONNECT says.
type User struct {
	// Host is the client's name for the hub. It is not checked: behind a
	// gateway or a port forward it differs from ours.
	Host string
	ID   tvilling.Identity
	// APIVersion, ClientType and ModelID are empty when the client does not
	// say them; nothing depends on the first.
	APIVersion, ClientType, ModelID string
}

// ParseUser reads a user name in the forms that clients send (wire §1.2):
//
//	{host}/{device}[/{module}]/?api-version=V&DeviceClientType=T&model-id=M
//	{host}/{device}[/{module}]/api-version=V…                  without the "?"
//	{host}/{device}/api-version=V/DeviceClientType=T           with "/" for "&"
//	{host}/{device}[/{module}][/]                              no properties
//
// Ids are taken as they stand, values of properties are percent-decoded where
// they can be, and unknown properties are passed over.
func ParseUser(s string) (User, error) {
	host, rest, ok := strings.Cut(s, "/")
	if !ok || host == "" {
		return User{}, userError("it has no host name and device id")
	}
	u := User{Host: host}
	var ids []string
	for rest != "" {
		if len(ids) > 0 && propertiesStart(rest) {
			u.properties(rest)
			break
		}
		var id string
		id, rest, _ = strings.Cut(rest, "/")
		if ids = append(ids, id); len(ids) > 2 {
			return User{}, userError("it has more than a device id and a module id")
		}
	}
	if len(ids) == 0 {
		return User{}, userError("it has no device id")
	}
	u.ID.Device = tvilling.DeviceID(ids[0])
	if len(ids) == 2 {
		if ids[1] == "" {
			return User{}, userError("its module id is empty")
		}
		u.ID.Module = tvilling.ModuleID(ids[1])
	}
	if err := u.ID.Check(); err != nil {
		return User{}, err
	}
	return u, nil
}

func userError(what string) error {
	return tvilling.Errorf(tvilling.InvalidArgument,
		"The user name must be {host}/{device}[/{module}]/?api-version={version}; %s.", what)
}

// propertiesStart reports whether s, the rest of a user name at the start of a
// segment, is the properties.
func propertiesStart(s string) bool {
	return s[0] == '?' || strings.HasPrefix(s, "api-version=") || strings.HasPrefix(s, "DeviceClientType=")
}

func (u *User) properties(s string) {
	separators := "&"
	if s[0] == '?' {
		s = s[1:]
	} else {
		separators = "&/"
	}
	for pair := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		key, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		switch key {
		case "api-version":
			u.APIVersion = value
		case "DeviceClientType":
			u.ClientType = value
		case "model-id":
			u.ModelID = value
		}
	}
}
