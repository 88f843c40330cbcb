package ui

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
)

//go:embed templates
var own embed.FS

// base has the components and the frame, to be cloned for every area of pages.
var base = template.Must(template.New("ui").Funcs(functions()).ParseFS(own, "templates/*.html"))

// Base returns the components alone.
func Base() *template.Template { return template.Must(base.Clone()) }

// Parse returns the templates *.html of an area's files, which may use the
// components and functions of this package. It panics if they are malformed:
// they are part of the program.
func Parse(files fs.FS) *template.Template {
	t, err := base.Clone()
	if err != nil {
		panic(fmt.Sprintf("clone the components: %v", err))
	}
	return template.Must(t.ParseFS(files, "*.html"))
}

// functions are what templates can call. Each has its description where it is
// defined.
func functions() template.FuncMap {
	return template.FuncMap{
		"icon": Icon, "asset": Asset,
		"severity": Severity, "severityBadge": SeverityBadge, "severityGlyph": SeverityGlyph, "severityCount": SeverityCounted, "noCount": NoCount,
		"state": State, "stateGlyph": StateGlyph, "stateBadge": StateBadge,
		"connection": Connection, "sync": Sync, "source": Source, "actor": Actor,
		"inert": Inert, "cut": Cut, "id": ID, "tag": Tag, "mono": Mono,
		"ago": Ago, "when": When, "clock": Clock, "moment": Moment, "lasts": Lasts,
		"count": whole(Count), "capped": whole(Capped), "short": whole(Short), "bytes": whole(Bytes), "percent": Percent,
		"score": Score, "spark": Spark, "plural": plural,
		"dict": dict, "list": list, "url": URL,
	}
}

// dict makes the arguments of a template out of names and values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict needs a value for every name, got %d arguments", len(pairs))
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict needs names that are texts, got %v", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

func list(values ...any) []any { return values }
