package agentconfig

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// The types that properties of the extension have besides those of the object.
const (
	Percent Type = "percent"
	Choice  Type = "choice" // one of Choices
	Events  Type = "events" // names of events
	Names   Type = "names"  // ids and groups of checks
)

// ExtensionProperty is one property of [ExtensionObject].
type ExtensionProperty struct {
	Name string
	Type Type
	// Min and Max bound a Size or a Percent, inclusive.
	Min, Max float64
	// Choices are the values of a Choice, or the names that Events may have.
	Choices     []string
	Description string
}

// ExtensionProperties returns all properties of [ExtensionObject].
func ExtensionProperties() []ExtensionProperty {
	return []ExtensionProperty{
		{Name: MemoryLimitInBytes, Type: Size, Min: minMemory, Max: maxMemory, Description: "The most memory that the agent may hold."},
		{Name: CPULimitInPercent, Type: Percent, Min: 0.5, Max: 100, Description: "The most that the agent may take of one core."},
		{Name: MaxBytesPerDay, Type: Size, Max: float64(maxDay), Description: "The most that the agent sends in a day of UTC; 0 is no bound."},
		{Name: HeartbeatFrequency, Type: Duration, Description: "How often the agent says that it is there; PT0S is never."},
		{Name: SnapshotsOnChange, Type: Flag, Description: "Whether a snapshot is also taken when what it shows has changed."},
		{Name: HashExecutables, Type: Flag, Description: "Whether started programs are told with their SHA-256."},
		{Name: ProcessSource, Type: Choice, Choices: []string{SourceAuto, SourceNetlink, SourcePolling}, Description: "By what means processes are seen; auto is the best there is."},
		{Name: ImmediateEvents, Type: Events, Choices: immediate(), Description: "Events that do not wait for their interval."},
		{Name: DisabledChecks, Type: Names, Description: "Checks of the baseline that are left out: ids and groups."},
	}
}

// immediate are the events that a device has.
func immediate() (names []string) {
	for k := event.Unknown + 1; k < event.Kinds; k++ {
		if k != event.HubAuthenticationKind {
			names = append(names, k.String())
		}
	}
	return names
}

// ExtensionSettings returns all properties of the extension as [Settings] does
// those of the object, from the same sections.
func ExtensionSettings(desired, reported []byte) []Setting {
	object, report := member(desired, ExtensionObject), member(reported, ExtensionObject)
	e, problems := ReadExtension(object)
	d := DefaultExtension()
	values, defaults := e.Members(), d.Members()
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		members = nil // no object: nothing is desired of any property
	}
	metadata := stamps(nil)
	if json.Unmarshal(member(member(desired, "$metadata"), ExtensionObject), &metadata) != nil {
		metadata = nil // nobody is told
	}
	var list []Setting
	for _, p := range ExtensionProperties() {
		s := Setting{Property: p.Name, Type: p.Type, Value: extensionText(values[p.Name]), Default: extensionText(defaults[p.Name]), Source: FromDefault}
		if raw := members[p.Name]; len(raw) > 0 && !bytes.Equal(raw, []byte("null")) {
			s.Source = FromDesired
			s.Actor, s.Set = metadata.of(p.Name)
		}
		told := member(report, p.Name)
		s.Reported = extensionText(told)
		for _, problem := range problems {
			if problem.Property == ExtensionObject+"."+p.Name {
				s.Source, s.Refused = FromDefault, problem.Message
			}
		}
		if s.Refused == "" && told != nil && s.Reported != s.Value {
			s.Refused = "The agent has another value: it has not received the change yet, or could not use it."
		}
		list = append(list, s)
	}
	return list
}

// extensionText writes a value as people do: lists with commas.
func extensionText(raw json.RawMessage) string {
	var names []string
	var text string
	switch {
	case len(raw) == 0:
		return ""
	case json.Unmarshal(raw, &names) == nil:
		return cut(strings.Join(names, ", "))
	case json.Unmarshal(raw, &text) == nil:
		return cut(text)
	default:
		return cut(string(raw))
	}
}

// NewExtensionChange works out a change of the extension desired (its JSON;
// none, null or {} for nothing) from values as people write them; "" is the
// default. Its patch has the properties alone that change: agents that know the
// extension merge. A refusal is a [*tvilling.Error] whose Path is the property.
func NewExtensionChange(desired []byte, change map[string]string) (*Change, error) {
	before, problems := ReadExtension(desired)
	after, defaults := before, DefaultExtension()
	was, usual := before.Members(), defaults.Members()
	patch := map[string]json.RawMessage{}
	out := &Change{}
	known := map[string]bool{}
	for _, p := range ExtensionProperties() {
		known[p.Name] = true
		text, ok := change[p.Name]
		if !ok {
			continue
		}
		raw := p.parse(text)
		to := json.RawMessage("null")
		if raw == nil {
			raw = usual[p.Name]
		} else {
			to = raw
		}
		if kind, message := after.read(p.Name, raw); kind != "" {
			return nil, refuse(p.Name, "%s", message)
		}
		now := after.Members()[p.Name]
		faulty := slices.ContainsFunc(problems, func(q Problem) bool { return q.Property == ExtensionObject+"."+p.Name })
		if bytes.Equal(now, was[p.Name]) && !faulty {
			continue
		}
		patch[p.Name] = to
		out.Edits = append(out.Edits, Edit{Property: p.Name, Old: extensionText(was[p.Name]), New: extensionText(now)})
	}
	for name := range change {
		if !known[name] {
			return nil, refuse(cut(name), "There is no property %q in %s.", cut(name), ExtensionObject)
		}
	}
	var err error
	out.Patch, err = json.Marshal(patch)
	if err != nil {
		return nil, refuse(ExtensionObject, "The change cannot be written as JSON: %s.", err)
	}
	return out, nil
}

// parse makes JSON of a value as people write it; what is of a wrong type stays
// wrong, for [Extension.read] to say so. nil is the default.
func (p *ExtensionProperty) parse(text string) json.RawMessage {
	text = strings.TrimSpace(text)
	if text == "" && p.Type != Events && p.Type != Names || strings.EqualFold(text, "default") {
		return nil
	}
	switch p.Type {
	case Events, Names:
		names := []string{}
		for name := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' }) {
			names = append(names, name)
		}
		b, err := json.Marshal(names)
		if err != nil {
			return json.RawMessage(`""`)
		}
		return b
	case Size, Percent, Flag:
		if json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
	default: // the others are texts
	}
	return json.RawMessage(strconv.Quote(text))
}
