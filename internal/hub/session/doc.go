// Package session knows who is connected. It lets one connection per identity
// live (a newer one takes over), keeps what a persistent session must keep
// (the subscriptions), gives each identity one sequence point for what is sent
// to it, and closes connections whose identity or key is gone.
//
// It knows no wire: a gateway brings a [Client] and speaks for it.
package session
