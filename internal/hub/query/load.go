package query

import "slices"

// fromRecords are the members of the root that come from the records beside a
// twin: the identity's and the session's.
var fromRecords = []string{
	"connectionState", "lastActivityTime",
	"status", "statusReason", "statusUpdateTime", "authenticationType", "x509Thumbprint", "deviceEtag", "deviceScope", "parentScopes", "capabilities",
}

// records returns those of the members that q reads which come from the records
// beside a twin; of whole rows one of each record.
func (q *Query) records() []*Member {
	var list []*Member
	for _, m := range q.members {
		if slices.Contains(fromRecords, m.Segments[0]) {
			list = append(list, m)
		}
	}
	if !q.star {
		return list
	}
	for _, module := range []bool{false, true} {
		if !module || q.collection == Joined {
			list = append(list, newMember(-1, []string{"connectionState"}, module), newMember(-1, []string{"status"}, module))
		}
	}
	return list
}

// Load reads of a row that the query finds what it shows, as far as that was not
// read yet, and returns the row's Err. After it, neither [Query.Project] nor
// [Groups.Add] finds anything missing.
func (q *Query) Load(row Row) error {
	for _, m := range q.loads {
		row.Member(m)
	}
	return row.Err()
}
