package web

import (
	"net"
	"net/http"

	"github.com/tvilling/tvilling/internal/hub/account"
)

// From is where the request came from.
func (c *Call) From() account.Origin {
	host, _, err := net.SplitHostPort(c.R.RemoteAddr)
	if err != nil {
		host = c.R.RemoteAddr
	}
	return account.Origin{Address: host, Agent: c.R.UserAgent()}
}

// Remember gives the browser the token of a session. The session that the
// browser had is not this one.
func (c *Call) Remember(token string, who account.Session) {
	http.SetCookie(c.W, &http.Cookie{
		Name: Cookie, Value: token, Path: "/", Expires: who.Expires, Secure: true, HttpOnly: true,
		// Lax, so that a link in a message opens the page that it names. What a
		// page of another site posts is refused before any cookie counts.
		SameSite: http.SameSiteLaxMode,
	})
	c.Who, c.signedIn = who, true
}

// Forget takes the token from the browser.
func (c *Call) Forget() {
	http.SetCookie(c.W, &http.Cookie{Name: Cookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	c.Who, c.signedIn = account.Session{}, false
}
