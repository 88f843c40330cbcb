package query

// Load asks for the records beside the twin that the members read by q, or the
// whole row of SELECT *, come from, as far as t has not asked for them yet, and
// returns [Twin.Err]. After it neither Project nor Groups finds anything missing.
func (q *Query) Load(t *Twin) error {
	if q.star {
		t.LoadIdentity()
		t.LoadSession()
		return t.err
	}
	for _, m := range q.members {
		switch m.Segments[0] {
		case "connectionState", "lastActivityTime":
			t.LoadSession()
		case "status", "statusReason", "statusUpdateTime", "authenticationType", "x509Thumbprint", "deviceEtag", "deviceScope", "parentScopes", "capabilities":
			t.LoadIdentity()
		}
	}
	return t.err
}
