package schema

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// The spellings of the schema, for texts that come in others.
var (
	categories = []string{string(event.Triggered), string(event.Periodic), string(event.Aggregated)}
	types      = []string{string(event.Security), string(event.Operational), string(event.Diagnostics)}
	directions = []string{"In", "Out"}
	results    = []string{"Success", "Fail", "Pass", "Err"}
	actions    = []string{"Allow", "Deny", "Other"}
	severities = []string{"Critical", "Important", "Warning", "Informational", "Fatal", "Error", "Information", "Debug"}
	queues     = []string{"High", "Low", "Operational"}
	errorTypes = []string{"TypeMismatch", "NotOptimal", "Conflict"}
)

// synonym is a spelling that agents of other makes use.
type synonym struct{ other, schema string }

var (
	directionSynonyms = []synonym{{"Inbound", "In"}, {"Outbound", "Out"}}
	resultSynonyms    = []synonym{{"Failed", "Fail"}, {"Failure", "Fail"}, {"Succeeded", "Success"}, {"Passed", "Pass"}, {"Error", "Err"}}
)

// fold returns the spelling of the schema for s, s itself if there is none.
func fold(s string, spellings []string, synonyms ...synonym) string {
	for _, w := range spellings {
		if s == w || len(s) == len(w) && strings.EqualFold(s, w) {
			return w
		}
	}
	for _, y := range synonyms {
		if strings.EqualFold(s, y.other) {
			return y.schema
		}
	}
	return s
}

// canonical returns a text as the event package promises it. What is not known
// is kept.
func canonical(f event.Field, s string) string {
	switch f {
	case event.Direction:
		return fold(s, directions, directionSynonyms...)
	case event.Result:
		return fold(s, results, resultSynonyms...)
	case event.Action:
		return fold(s, actions)
	case event.Severity:
		return fold(s, severities)
	case event.Queue:
		return fold(s, queues)
	case event.ErrorType:
		return fold(s, errorTypes)
	default:
		return s
	}
}
