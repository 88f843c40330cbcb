// Package keys is the page that says what keys do. Script keys.ts does it.
package keys

import (
	"embed"
	"net/http"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Routes are the pages of this area.
func Routes() []web.Route {
	return []web.Route{{Method: http.MethodGet, Path: "/keys", Role: account.Viewer, Do: page}}
}

// Key is one line of the table of keys.
type Key struct {
	// Press are keys, each of which does it; one with a blank is two presses.
	Press []string
	Does  string
}

// Group is keys that belong together.
type Group struct {
	Title string
	Keys  []Key
}

// Keys is what keys do on every page that has what they are for.
func Keys() []Group {
	return []Group{
		{"On every page", []Key{
			{[]string{"/"}, "jump to a device, an alert or a page"},
			{[]string{"g o"}, "overview"},
			{[]string{"g d"}, "devices"},
			{[]string{"g a"}, "alerts"},
			{[]string{"g r"}, "recommendations"},
			{[]string{"g i"}, "investigate"},
			{[]string{"g c"}, "configurations"},
			{[]string{"g s"}, "settings"},
			{[]string{"?"}, "all keys"},
			{[]string{"Esc"}, "close, or leave a field"},
		}},
		{"In lists", []Key{
			{[]string{"j", "k"}, "next row, previous row"},
			{[]string{"Enter", "o"}, "open the row"},
			{[]string{"x"}, "select the row"},
			{[]string{"X"}, "select all rows from the last one selected"},
			{[]string{"."}, "actions of the row"},
			{[]string{"f"}, "go to the query"},
			{[]string{"[", "]"}, "previous page, next page"},
			{[]string{"n"}, "new"},
		}},
		{"With alerts", []Key{
			{[]string{"a"}, "acknowledge"},
			{[]string{"r"}, "resolve"},
			{[]string{"d"}, "dismiss with a reason"},
			{[]string{"u"}, "undo the last of these"},
		}},
		{"With twins and configurations", []Key{
			{[]string{"e"}, "edit"}, {[]string{"h"}, "history of a twin"},
		}},
	}
}

// Presses are the single presses of a way to press a key: "g o" has two.
func (k Key) Presses() [][]string {
	ways := make([][]string, len(k.Press))
	for i, way := range k.Press {
		ways[i] = strings.Fields(way)
	}
	return ways
}

type view struct {
	Groups []Group
	Off    bool
}

// page answers with the whole page, or with the dialog that any page can show.
func page(c *web.Call) error {
	v := view{Groups: Keys(), Off: c.Preference("keys", "off") != ""}
	if c.Query("part") != "dialog" {
		return c.Page(web.View{Title: "Keys", Template: pages, Name: "keys", Data: v})
	}
	out, err := web.Render(pages, "dialog", v)
	if err != nil {
		return err
	}
	return c.HTML(http.StatusOK, []byte(out))
}
