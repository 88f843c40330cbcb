package doc

import "bytes"

// configurationActor begins the actor of what an automatic configuration
// writes, which is followed by "<id>@<digest>".
const configurationActor = "configuration:"

// ConfigurationActor returns the actor that stamps what a revision of an
// automatic configuration writes. A service sees it as "$lastUpdatedBy" and
// "$lastUpdatedByDigest" beside the times of a value (wire §2.2).
func ConfigurationActor(id, digest string) string { return configurationActor + id + "@" + digest }

// ConfigurationOf returns which configuration, and which revision of it, an
// actor is; false if it is none.
func ConfigurationOf[T string | []byte](actor T) (id, digest T, ok bool) {
	if len(actor) < len(configurationActor) || string(actor[:len(configurationActor)]) != configurationActor {
		return id, digest, false
	}
	rest := actor[len(configurationActor):]
	for at := len(rest) - 1; at > 0; at-- {
		if rest[at] == '@' {
			return rest[:at], rest[at+1:], true
		}
	}
	return id, digest, false
}

// Configured reports whether a member of s may bear the stamp of an automatic
// configuration. It is cheap; false is certain.
func (s Section) Configured() bool {
	h, ok := s.header()
	return ok && bytes.Contains(h.table, []byte(configurationActor))
}
