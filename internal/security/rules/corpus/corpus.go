package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// Case is one example.
type Case struct {
	// Detection is the name of the detection that it is an example for.
	Detection string
	// Positive says that the detection must find it.
	Positive bool
	// Title says what it is, Place where it stands ("file:line").
	Title, Place string
	Kind         event.Kind
	// Payload is the item as it would be sent, Item as it is read.
	Payload []byte
	Item    event.Item
}

// Read reads all files of a folder. No folder is no examples.
func Read(dir fs.FS, folder string) ([]Case, error) {
	files, err := fs.ReadDir(dir, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	var all []Case
	for _, f := range files {
		if f.IsDir() || path.Ext(f.Name()) != ".txt" {
			continue
		}
		name := path.Join(folder, f.Name())
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read corpus: %w", err)
		}
		cases, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, cases...)
	}
	return all, nil
}

// Parse reads the text of a file.
func Parse(name, text string) ([]Case, error) {
	detection := strings.TrimSuffix(path.Base(name), ".txt")
	var all []Case
	var fields [][2]string
	var c *Case
	end := func() error {
		if c == nil {
			return nil
		}
		if err := c.fill(fields); err != nil {
			return fmt.Errorf("%s: %w", c.Place, err)
		}
		all = append(all, *c)
		c, fields = nil, nil
		return nil
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			if err := end(); err != nil {
				return nil, err
			}
		case c == nil:
			sign, title, _ := strings.Cut(line, " ")
			if sign != "+" && sign != "-" || title == "" {
				return nil, fmt.Errorf("%s:%d: an example begins with \"+\" or \"-\", a blank and what it is", name, n)
			}
			c = &Case{Detection: detection, Positive: sign == "+", Title: title, Place: fmt.Sprintf("%s:%d", name, n)}
		default:
			key, value, ok := strings.Cut(strings.TrimLeft(line, " \t"), ":")
			if !ok {
				return nil, fmt.Errorf("%s:%d: a field is a name, a colon and a value", name, n)
			}
			fields = append(fields, [2]string{key, strings.TrimPrefix(value, " ")})
		}
	}
	return all, end()
}

// defaults are fields that an item needs, with ordinary values.
var defaults = map[event.Kind][][2]string{
	event.ProcessCreateKind: {{"ProcessId", "4711"}, {"ParentProcessId", "812"}, {"UserId", "0"}},
	event.ConnectionCreateKind: {
		{"ProcessId", "4711"},
		{"Direction", "Out"},
		{"Protocol", "tcp"},
		{"LocalAddress", "10.20.0.17"},
		{"LocalPort", "51514"},
		{"RemotePort", "443"},
		{"RemoteAddress", "10.20.0.1"},
		{"UserId", "0"},
		{"Executable", "/usr/bin/curl"},
	},
	event.LoginKind:             {{"ProcessId", "912"}, {"UserName", "pi"}, {"Operation", "PAM:authentication"}, {"Executable", "/usr/sbin/sshd"}, {"Result", "Success"}},
	event.HubAuthenticationKind: {{"Reason", "disabled_identity"}, {"Protocol", "mqtt"}, {"RemoteAddress", "10.20.0.17"}},
}

// numbers are the fields whose values are JSON numbers.
var numbers = map[string]bool{"ProcessId": true, "ParentProcessId": true, "ExitStatus": true, "Priority": true}

func (c *Case) fill(fields [][2]string) error {
	c.Kind = event.ProcessCreateKind
	item, details := map[string]any{}, map[string]string{}
	for _, f := range fields {
		key, value := f[0], f[1]
		if key == "Event" {
			if c.Kind = event.KindOf(value); c.Kind == event.Unknown {
				return fmt.Errorf("there is no event %q", value)
			}
			continue
		}
		if strings.Contains(value, `\n`) {
			value = strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\\`, `\`)
		}
		if name, ok := strings.CutPrefix(key, "ExtraDetails."); ok {
			details[name] = value
			continue
		}
		if _, twice := item[key]; twice {
			return fmt.Errorf("%s stands twice", key)
		}
		if err := set(item, key, value); err != nil {
			return err
		}
	}
	if command, ok := item["CommandLine"].(string); ok && item["Executable"] == nil {
		program, _, _ := strings.Cut(command, " ")
		if !strings.Contains(program, "/") {
			program = "/usr/bin/" + program
		}
		item["Executable"] = program
	}
	for _, f := range defaults[c.Kind] {
		if _, ok := item[f[0]]; ok || f[0] == "UserId" && item["UserName"] != nil {
			continue
		}
		if err := set(item, f[0], f[1]); err != nil {
			return err
		}
	}
	if len(details) > 0 {
		item["ExtraDetails"] = details
	}
	payload, err := json.Marshal([]any{item})
	if err != nil {
		return fmt.Errorf("write item: %w", err)
	}
	items, err := schema.Items(c.Kind, payload)
	if err != nil {
		return fmt.Errorf("not a valid %s: %w", c.Kind, err)
	}
	c.Payload, c.Item = payload, items[0]
	for key, value := range item {
		f, ok := event.FieldOf(key)
		if _, has := c.Item.Field(f); key != "ExtraDetails" && value != "" && (!ok || !has) {
			return fmt.Errorf("a %s has no field %q", c.Kind, key)
		}
	}
	return nil
}

func set(item map[string]any, key, value string) error {
	if !numbers[key] {
		item[key] = value
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is a number, not %q", key, value)
	}
	item[key] = n
	return nil
}
