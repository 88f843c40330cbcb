package web

import "net/url"

// path is the path and query of an address, without its host.
func path(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.Scheme, u.Host, u.User, u.Fragment = "", "", nil, ""
	return u.String()
}
