package rulefile

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"

	"github.com/tvilling/tvilling"
)

// precheck looks at the text before the YAML scanner does: its time grows with
// the square of blank lines in a row, and terminals take control characters
// for commands.
func precheck(text []byte) *refusal {
	if len(text) > MaxBytes {
		return &refusal{code: tvilling.TooLarge, message: fmt.Sprintf("The file has %d bytes; at most %d are read.", len(text), MaxBytes)}
	}
	line, blank := 0, 0
	for l := range bytes.Lines(text) {
		line++
		if len(bytes.TrimSpace(l)) > 0 {
			blank = 0
		} else if blank++; blank > MaxBlank {
			return &refusal{code: tvilling.TooLarge, line: line, message: fmt.Sprintf("There are more than %d blank lines in a row.", MaxBlank)}
		}
		for i := 0; i < len(l); {
			r, size := utf8.DecodeRune(l[i:])
			if r == utf8.RuneError && size == 1 {
				return &refusal{code: tvilling.InvalidArgument, line: line, column: i + 1, message: "The text is not UTF-8."}
			}
			// A carriage return belongs to the line's end, nowhere else: the
			// scanner takes it for a line of its own.
			if r == '\r' && (i+2 != len(l) || l[i+1] != '\n') || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
				return &refusal{
					code: tvilling.InvalidArgument, line: line, column: i + 1,
					message: fmt.Sprintf("The text holds the control character U+%04X; write it as an escape in double quotation marks.", r),
				}
			}
			i += size
		}
	}
	return nil
}

// checkTokens refuses what rules do not need and what could grow large, before
// the parser builds anything: it keeps a path for each node, so depth and key
// length bound its memory.
func checkTokens(tokens token.Tokens) *refusal {
	if len(tokens) > MaxTokens {
		return refuse(tvilling.TooLarge, tokens[MaxTokens], "The file has more than %d keys, values and marks.", MaxTokens)
	}
	var columns []int // of the block collections around the token
	flow := 0
	for _, t := range tokens {
		if p := forbidden(t); p != nil {
			return p
		}
		key := t.NextType() == token.MappingValueType
		if key && len(t.Value) > MaxKeyBytes {
			return refuse(tvilling.TooLarge, t, "A key has %d bytes; at most %d are read.", len(t.Value), MaxKeyBytes)
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.DocumentHeaderType, token.DocumentEndType:
			columns = columns[:0]
		default:
		}
		if flow == 0 && (key || t.Type == token.SequenceEntryType) {
			for len(columns) > 0 && columns[len(columns)-1] >= t.Position.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, t.Position.Column)
		}
		if flow+len(columns) > MaxDepth {
			return refuse(tvilling.TooLarge, t, "Lists and maps are nested more than %d deep.", MaxDepth)
		}
	}
	return nil
}

func forbidden(t *token.Token) *refusal {
	switch t.Type {
	case token.InvalidType:
		return refuse(tvilling.InvalidArgument, t, "This is not YAML: %s.", clean(t.Error))
	case token.AnchorType:
		return refuse(tvilling.Unsupported, t, "Anchors (&) are not read in rule files; put the text in quotation marks if it begins with &.")
	case token.AliasType:
		return refuse(tvilling.Unsupported, t, "Aliases (*) are not read in rule files; put the text in quotation marks if it begins with *.")
	case token.TagType:
		return refuse(tvilling.Unsupported, t, "Tags (!) are not read in rule files; put the text in quotation marks if it begins with !.")
	case token.MergeKeyType:
		return refuse(tvilling.Unsupported, t, "Merge keys (<<) are not read in rule files.")
	case token.DirectiveType:
		return refuse(tvilling.Unsupported, t, "Directives (%%) are not read in rule files; put the text in quotation marks if it begins with %%.")
	case token.MappingKeyType:
		return refuse(tvilling.Unsupported, t, "Complex keys (?) are not read in rule files; put the text in quotation marks if it begins with ?.")
	default:
		return nil
	}
}
