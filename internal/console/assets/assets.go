// Package assets holds the console's style sheets, scripts and symbols as they
// are served: built from src by `make assets`, part of the program. A file's
// address has its digest, so that browsers keep it for ever and never keep a
// wrong one.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed dist
var files embed.FS

// Root begins the addresses of all files.
const Root = "/console/assets/"

type file struct {
	kind          string
	plain, packed []byte
	url           string
}

// all are the files by name, read once.
var all = sync.OnceValue(func() map[string]file {
	found := make(map[string]file)
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	entries, err := fs.ReadDir(dist, ".")
	if err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	for _, e := range entries {
		b, err := fs.ReadFile(dist, e.Name())
		if err != nil {
			panic(fmt.Sprintf("assets: %v", err))
		}
		digest := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		found[e.Name()] = file{
			kind: mime.TypeByExtension(ext), plain: b, packed: pack(b),
			url: Root + strings.TrimSuffix(e.Name(), ext) + "." + base64.RawURLEncoding.EncodeToString(digest[:9]) + ext,
		}
	}
	return found
})

// byURL are the same files by address.
var byURL = sync.OnceValue(func() map[string]file {
	m := make(map[string]file)
	for _, f := range all() {
		m[f.url] = f
	}
	return m
})

func pack(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	if _, err := w.Write(b); err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	return out.Bytes()
}

// URL returns the address of a file. It panics for a name that is not there:
// names are part of the program.
func URL(name string) string {
	f, ok := all()[name]
	if !ok {
		panic("assets: there is no file " + name)
	}
	return f.url
}

// Packed returns how many bytes of each file travel, by name.
func Packed() map[string]int {
	m := make(map[string]int)
	for name, f := range all() {
		m[name] = len(f.packed)
	}
	return m
}

// ServeHTTP answers with the file that an address has.
func ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := byURL()[r.URL.Path]
	if !ok {
		http.Error(w, "There is no such file; load the page again.", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	// A browser that went away needs no answer.
	_, _ = w.Write(body)
}
