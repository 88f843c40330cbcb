package rulefile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// The limits of a rule file.
const (
	MaxBytes     = 256 << 10 // of the whole text
	MaxDepth     = 16        // lists and maps in each other
	MaxTokens    = 20_000    // keys, values and marks, about two per value
	MaxKeyBytes  = 128       // of one key
	MaxBlank     = 50        // blank lines in a row
	MaxDocuments = 64
)

// Parse reads a text of one or more YAML documents; empty documents are left
// out. An error is a *[tvilling.Error] of code InvalidArgument, TooLarge or
// Unsupported whose Path is the line and column and whose cause is a
// [sigma.Problems] of one element.
func Parse(text []byte) ([]*sigma.Node, error) {
	if p := precheck(text); p != nil {
		return nil, p.err()
	}
	tokens := lexer.Tokenize(string(text))
	if p := checkTokens(tokens); p != nil {
		return nil, p.err()
	}
	documents, p := split(tokens)
	if p != nil {
		return nil, p.err()
	}
	var nodes []*sigma.Node
	for _, d := range documents {
		file, p := parse(d)
		if p != nil {
			return nil, p.err()
		}
		for _, doc := range file.Docs {
			if doc == nil || doc.Body == nil {
				continue
			}
			n, p := convert(doc.Body, 0)
			if p != nil {
				return nil, p.err()
			}
			if n.Kind != sigma.NullNode {
				nodes = append(nodes, n)
			}
		}
	}
	if len(nodes) == 0 {
		return nil, (&refusal{code: tvilling.InvalidArgument, line: 1, column: 1, message: "The file holds nothing; a rule is a YAML map with title, logsource and detection."}).err()
	}
	return nodes, nil
}

// refusal is what is wrong and where.
type refusal struct {
	code         tvilling.Code
	line, column int
	message      string
}

func (r *refusal) err() error {
	r.line, r.column = max(r.line, 1), max(r.column, 1)
	return &tvilling.Error{
		Code: r.code, Op: "read rule file",
		Path: fmt.Sprintf("line %d, column %d", r.line, r.column), Message: r.message,
		Err: sigma.Problems{{Code: r.code, Line: r.line, Column: r.column, Message: r.message}},
	}
}

func refuse(code tvilling.Code, t *token.Token, format string, args ...any) *refusal {
	r := &refusal{code: code, message: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		r.line, r.column = t.Position.Line, t.Position.Column
	}
	return r
}

// split returns the tokens of each document that holds something. The parser
// is given one document at a time: of several it leaves out all that follow an
// empty one.
func split(tokens token.Tokens) ([]token.Tokens, *refusal) {
	var documents []token.Tokens
	var current token.Tokens
	end := func() {
		if len(current) > 0 {
			documents = append(documents, current)
		}
		current = nil
	}
	for i, t := range tokens {
		switch t.Type {
		case token.CommentType:
		case token.DocumentHeaderType, token.DocumentEndType:
			if i+1 < len(tokens) && tokens[i+1].Type != token.CommentType && tokens[i+1].Position.Line == t.Position.Line {
				return nil, refuse(tvilling.InvalidArgument, tokens[i+1], "Nothing may stand on the line of a document's mark.")
			}
			end()
		default:
			current = append(current, t)
		}
		if len(documents) > MaxDocuments {
			return nil, refuse(tvilling.TooLarge, t, "The file has more than %d documents.", MaxDocuments)
		}
	}
	end()
	return documents, nil
}

// parse calls the YAML parser. The parser is not ours and the text may be
// anybody's, so a panic in it is the text's fault and becomes a refusal.
func parse(tokens token.Tokens) (file *ast.File, p *refusal) {
	defer func() {
		if v := recover(); v != nil {
			file, p = nil, refuse(tvilling.InvalidArgument, nil, "The text is not YAML that can be read (%.100v).", v)
		}
	}()
	file, err := parser.Parse(tokens, 0)
	if err == nil {
		return file, nil
	}
	p = refuse(tvilling.InvalidArgument, nil, "The text is not YAML.")
	if e, ok := errors.AsType[yaml.Error](err); ok {
		p = refuse(tvilling.InvalidArgument, e.GetToken(), "This is not YAML: %s.", strings.TrimSuffix(clean(e.GetMessage()), "."))
	}
	return nil, p
}

// clean keeps the parser's own words on one short line.
func clean(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

func convert(n ast.Node, depth int) (*sigma.Node, *refusal) {
	if depth > MaxDepth {
		return nil, refuse(tvilling.TooLarge, n.GetToken(), "Lists and maps are nested more than %d deep.", MaxDepth)
	}
	out := &sigma.Node{Line: 1, Column: 1}
	t := n.GetToken()
	if t != nil && t.Position != nil {
		out.Line, out.Column = t.Position.Line, t.Position.Column
	}
	switch n := n.(type) {
	case *ast.NullNode:
		out.Kind = sigma.NullNode
	case *ast.BoolNode:
		out.Kind, out.Text = sigma.BoolNode, strconv.FormatBool(n.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		out.Kind, out.Text = sigma.NumberNode, t.Value
	case *ast.StringNode:
		out.Kind, out.Text = sigma.StringNode, n.Value
		out.Quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		out.Kind, out.Quoted = sigma.StringNode, true
		if n.Value != nil {
			out.Text = n.Value.Value
		}
	case *ast.InfinityNode, *ast.NanNode:
		return nil, refuse(tvilling.InvalidArgument, t, "%s is a number without a decimal form; put it in quotation marks if the text is meant.", t.Value)
	case *ast.SequenceNode:
		return convertList(n, out, depth)
	case *ast.MappingNode:
		return convertMap(n.Values, out, depth)
	case *ast.MappingValueNode:
		return convertMap([]*ast.MappingValueNode{n}, out, depth)
	default:
		return nil, refuse(tvilling.Unsupported, t, "A YAML %s is not read in rule files.", n.Type())
	}
	return out, nil
}

func convertList(n *ast.SequenceNode, out *sigma.Node, depth int) (*sigma.Node, *refusal) {
	out.Kind, out.List = sigma.ListNode, make([]*sigma.Node, 0, len(n.Values))
	for _, v := range n.Values {
		c, p := convert(v, depth+1)
		if p != nil {
			return nil, p
		}
		out.List = append(out.List, c)
	}
	return out, nil
}

func convertMap(values []*ast.MappingValueNode, out *sigma.Node, depth int) (*sigma.Node, *refusal) {
	out.Kind, out.Map = sigma.MapNode, make([]sigma.Pair, 0, len(values))
	seen := make(map[string]int, len(values))
	for i, v := range values {
		key := v.Key.GetToken()
		if !scalarKey(v.Key) {
			return nil, refuse(tvilling.Unsupported, key, "A key has to be a plain text.")
		}
		if line, again := seen[key.Value]; again {
			return nil, refuse(tvilling.InvalidArgument, key, "The key %q is there twice; line %d has it, too.", key.Value, line)
		}
		seen[key.Value] = key.Position.Line
		c, p := convert(v.Value, depth+1)
		if p != nil {
			return nil, p
		}
		if i == 0 {
			out.Line, out.Column = key.Position.Line, key.Position.Column
		}
		out.Map = append(out.Map, sigma.Pair{Key: key.Value, Line: key.Position.Line, Column: key.Position.Column, Value: c})
	}
	return out, nil
}

func scalarKey(k ast.MapKeyNode) bool {
	switch k.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return true
	default:
		return false
	}
}
