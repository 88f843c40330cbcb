package agentconfig_test

import (
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestPart: only what was named is in the object, wrapped, defaults as null.
func TestPart(t *testing.T) {
	got, err := agentconfig.Part(map[string]string{"snapshotFrequency": "PT1H", "eventPriorityLogin": "high", "maxMessageSizeInBytes": "default"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"eventPriorityLogin":{"value":"High"},"maxMessageSizeInBytes":null,"snapshotFrequency":{"value":"PT1H"}}`; string(got) != want {
		t.Errorf("part = %s, want %s", got, want)
	}
	for _, bad := range []map[string]string{{"snapshotFrequency": "soon"}, {"colour": "red"}} {
		_, err := agentconfig.Part(bad)
		e, ok := err.(*tvilling.Error) //nolint:errorlint // the error itself is what is looked at
		if !ok || e.Path == "" {
			t.Errorf("%v: %v, want an error with the property", bad, err)
		}
	}
}
