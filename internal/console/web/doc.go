// Package web is how a page of the console is asked for and answered: routes
// with the role that each needs, the request with its user, the frame around a
// page, errors as pages, redirects with a note, and streams that keep parts of
// an open page current.
//
// It knows no page. A [Site] is given the routes of all areas, and whom to ask
// about sessions.
package web
