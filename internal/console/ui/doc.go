// Package ui is what the pages of the console are made of: the templates of the
// frame and of components, and the functions that turn a value into the piece
// of HTML that stands for it everywhere (a severity, a state, a time, a text
// that a device sent).
//
// It knows nothing of the hub: it is given words, numbers and times. Whatever
// goes into a page is escaped here or by html/template; nothing else may make
// HTML out of data.
package ui
