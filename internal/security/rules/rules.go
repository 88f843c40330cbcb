package rules

import (
	"embed"
	"io/fs"
)

// FS has the rules, NAME.yml each, NAME being the name of the detection.
//
//go:embed *.yml
var FS embed.FS

//go:embed lists/*.txt
var lists embed.FS

// Lists returns the indicator lists that come with the hub, files NAME.txt and
// NAME.*.txt. They hold nothing but addresses and names that are reserved for
// documentation and tests.
func Lists() fs.FS {
	sub, err := fs.Sub(lists, "lists")
	if err != nil { // not with a constant that is a valid path
		return lists
	}
	return sub
}
