package agentconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Part is the object with only some properties in it, as an automatic
// configuration sets it: texts are values as [Parse] reads them, and one that is
// the default ("default", or empty) is a null, so that nothing else is there
// either. The error is a *tvilling.Error whose Path is the property.
func Part(texts map[string]string) (json.RawMessage, error) {
	object := make(map[string]json.RawMessage, len(texts))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		v, err := Parse(name, texts[name])
		if err != nil {
			return nil, err
		}
		if v == nil {
			object[name] = json.RawMessage("null")
			continue
		}
		whole, err := Whole(nil, map[string]any{name: v})
		if err != nil {
			return nil, err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(whole, &members); err != nil {
			return nil, fmt.Errorf("read the agent's configuration: %w", err)
		}
		object[name] = members[name]
	}
	return json.Marshal(object)
}
