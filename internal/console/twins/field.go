package twins

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// field is one property in the form.
type field struct {
	agentconfig.Setting
	// Extension says that it is of the object of tvilling-agent.
	Extension bool
	Group     string
	// Label is what people call it, Hint what it does, Limits what it may be.
	Label, Hint, Limits string
	// Options are all values of a property that has few.
	Options []string
	// Text is what the control has; what should be in force, if nobody typed.
	Text string
	// Held is the configuration that sets it, "" for none.
	Held string
	// Silent says that the agent has reported nothing at all.
	Silent bool
	Err    error
	// Theirs says that it was changed while the reader typed.
	Theirs bool
}

// fieldsOf makes a field of every property.
func fieldsOf(desired, reported []byte) []*field {
	var list []*field
	object, _ := agentconfig.Reported(reported)
	settings := agentconfig.Settings(desired, reported)
	for i, p := range agentconfig.Properties() {
		f := &field{Setting: settings[i], Group: groupOf(p), Label: label(p.Name), Hint: p.Description, Silent: object == nil}
		switch p.Type {
		case agentconfig.Size:
			f.Limits = between(float64(p.Min), float64(p.Max))
		case agentconfig.Priority:
			f.Options = []string{agentconfig.High, agentconfig.Low, agentconfig.Off}
		case agentconfig.Flag:
			f.Options = []string{"true", "false"}
		case agentconfig.Duration:
			f.Limits = "Such as PT7M, PT1H, P1D."
		default: // a text may be anything
		}
		list = append(list, f)
	}
	extensions := agentconfig.ExtensionSettings(desired, reported)
	told := false
	for _, s := range extensions {
		told = told || s.Reported != ""
	}
	for i, p := range agentconfig.ExtensionProperties() {
		f := &field{Setting: extensions[i], Extension: true, Group: extension, Label: label(p.Name), Hint: p.Description, Silent: !told}
		switch p.Type {
		case agentconfig.Size, agentconfig.Percent:
			f.Limits = between(p.Min, p.Max)
		case agentconfig.Flag:
			f.Options = []string{"true", "false"}
		case agentconfig.Choice:
			f.Options = p.Choices
		case agentconfig.Events:
			f.Limits = "Names with commas: " + strings.Join(p.Choices, ", ")
		case agentconfig.Names:
			f.Limits = "Such as TV-SSH-009, kernel."
		case agentconfig.Duration:
			f.Limits = "PT1M or longer, such as PT6H."
		default: // a text may be anything
		}
		list = append(list, f)
	}
	for _, f := range list {
		if f.Type == agentconfig.Text {
			f.Setting.Value, f.Default = noNull(f.Setting.Value), noNull(f.Default)
		}
		f.Text = f.Setting.Value
	}
	return list
}

// noNull leaves a text out that is not there.
func noNull(s string) string {
	if s == "null" {
		return ""
	}
	return s
}

func between(least, most float64) string {
	number := func(f float64) string {
		if f == float64(int64(f)) {
			return ui.Count(int64(f))
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return "From " + number(least) + " to " + number(most) + "."
}

// Field is the name of the control, and of the element.
func (f *field) Field() string {
	if f.Extension {
		return agentconfig.ExtensionObject + "." + f.Property
	}
	return f.Property
}

// Changed reports whether the control has another value than is in force.
func (f *field) Changed() bool { return f.Text != f.Setting.Value }

// Usual reports whether the default should be in force.
func (f *field) Usual() bool { return f.Setting.Value == f.Default }

// Meaning says a value in plain words, "" where it is plain already.
func (f *field) Meaning() string { return meaning(f.Type, f.Text) }

// Kind is what the value is, for the script that keeps its meaning current.
func (f *field) Kind() string { return string(f.Type) }

func meaning(t agentconfig.Type, text string) string {
	switch t {
	case agentconfig.Duration:
		d, err := agentconfig.ParseDuration(text)
		if err != nil {
			return ""
		}
		return plainly(d)
	case agentconfig.Size:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return ""
		}
		return ui.Bytes(n)
	case agentconfig.Percent:
		return "% of one core"
	default:
		return ""
	}
}

// plainly says a duration in words.
func plainly(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	var words []string
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := d / u.unit; n > 0 {
			words = append(words, ui.Plural(int64(n), u.name))
			d %= u.unit
		}
	}
	if d > 0 {
		words = append(words, fmt.Sprintf("%g s", d.Seconds()))
	}
	return strings.Join(words, " ")
}

// OptionText is an option in words.
func (f *field) OptionText(o string) string {
	text := o
	if f.Type == agentconfig.Flag {
		text = map[string]string{"true": "Yes", "false": "No"}[o]
	}
	if o == f.Default {
		text += " (default)"
	}
	return text
}

// Trouble is what is wrong with what was typed.
func (f *field) Trouble() template.HTML { return web.Problem(f.Err) }
