// Package querytest holds the query language as scripts that any engine can
// run: twins, queries over them and the answers. It knows no particular engine.
package querytest
