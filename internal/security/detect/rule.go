package detect

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// rule is a Sigma rule that was read, with what it is to us.
type rule struct {
	*sigma.Rule
	info *Info
	kind event.Kind
	fold []string
}

// parse reads the rules of a text. The first is called name, further ones of
// the same text name-2 and so on.
func (e *Engine) parse(name string, text []byte, source string) ([]*rule, error) {
	nodes, err := e.opt.Decode(text)
	if err != nil {
		return nil, err
	}
	if len(nodes) != 1 {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A rule's text must hold one rule; this one holds %d.", len(nodes))
	}
	r, err := sigma.Parse(nodes[0])
	if err != nil {
		return nil, err
	}
	own, err := ruleOf(r, name, text, source)
	if err != nil {
		return nil, err
	}
	return []*rule{own}, nil
}

func ruleOf(r *sigma.Rule, name string, text []byte, source string) (*rule, error) {
	kind, err := kindOf(r.LogSource)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	version := hex.EncodeToString(sum[:4])
	if day := pick(r.Modified != "", r.Modified, r.Date); day != "" {
		version = day + "+" + version
	}
	info := &Info{
		ID: name, Type: "IoT_" + strings.ReplaceAll(name, "-", "_"), Title: r.Title, Description: r.Description,
		Severity: severityOf(r.Level), Version: version, References: r.References, FalsePositives: r.FalsePositives,
		Source: source, Text: string(text),
	}
	for _, tag := range r.Tags {
		t, ok := strings.CutPrefix(strings.ToLower(tag), "attack.")
		switch {
		case !ok:
		case len(t) > 1 && t[0] == 't' && t[1] >= '0' && t[1] <= '9':
			info.Techniques = append(info.Techniques, strings.ToUpper(t))
		default:
			info.Tactics = append(info.Tactics, t)
		}
	}
	own := &rule{Rule: r, info: info, kind: kind}
	if r.Custom != nil {
		if err := own.custom(r.Custom); err != nil {
			return nil, err
		}
	}
	return own, nil
}

// custom reads the member "tvilling" of a rule.
func (r *rule) custom(n *sigma.Node) error {
	for _, m := range n.Map {
		path := "tvilling." + m.Key
		switch m.Key {
		case "type":
			if !slices.ContainsFunc([]byte(m.Value.Text), func(c byte) bool { return !isTypeByte(c) }) && m.Value.Text != "" && len(m.Value.Text) <= 64 {
				r.info.Type = m.Value.Text
				continue
			}
			return refuse(m.Value, path, "An alert type has 1 to 64 letters, digits, '_', '-' or '.'.")
		case "fold":
			list, err := texts(m.Value, path)
			if err != nil {
				return err
			}
			r.fold = list
		case "remediation":
			list, err := texts(m.Value, path)
			if err != nil {
				return err
			}
			r.info.Remediation = list
		default:
			return refuse(m.Value, path, "The member is not known; there are type, fold and remediation.")
		}
	}
	return nil
}

func isTypeByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.", c) >= 0
}

// texts returns the scalars of a list, or the one scalar that stands for it.
func texts(n *sigma.Node, path string) ([]string, error) {
	if n.Scalar() {
		return []string{n.Text}, nil
	}
	var list []string
	for _, m := range n.List {
		if !m.Scalar() {
			return nil, refuse(m, path, "Only a text or a list of texts may stand here.")
		}
		list = append(list, m.Text)
	}
	if n.Kind != sigma.ListNode {
		return nil, refuse(n, path, "Only a text or a list of texts may stand here.")
	}
	return list, nil
}

func refuse(n *sigma.Node, path, why string) error {
	err := tvilling.Errorf(tvilling.InvalidArgument, "Line %d, %s: %s", n.Line, path, why)
	err.Path = path
	return err
}

// kindOf returns the events that a rule's logsource means.
func kindOf(l sigma.LogSource) (event.Kind, error) {
	byCategory := map[string]event.Kind{
		"process_creation": event.ProcessCreateKind, "process_termination": event.ProcessTerminateKind,
		"network_connection": event.ConnectionCreateKind, "authentication": event.LoginKind,
	}
	if k, ok := byCategory[l.Category]; ok {
		return k, nil
	}
	if l.Product == "tvilling" {
		if k := event.KindOf(l.Service); k != event.Unknown {
			return k, nil
		}
	}
	err := tvilling.Errorf(tvilling.InvalidArgument, "The logsource (category %q, product %q, service %q) means none of the events that devices send; "+
		"use category process_creation, process_termination, network_connection or authentication, or product tvilling with an event's name as service.",
		l.Category, l.Product, l.Service)
	err.Path = "logsource"
	return 0, err
}

func severityOf(level string) ledger.Severity {
	switch level {
	case "informational":
		return ledger.Informational
	case "low":
		return ledger.Low
	case "high", "critical":
		return ledger.High
	default:
		return ledger.Medium
	}
}
