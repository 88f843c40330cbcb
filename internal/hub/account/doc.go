// Package account keeps the people who may use a hub's console: local users,
// each with a role, and the sessions they opened. A user, a role, a password
// and a session are durable before they count, and so is their end.
//
// It knows neither cookies nor pages; how a password is hashed it is given.
// People are not identities of devices, and their roles are not the permissions
// of shared access policies: packages auth and policy have those.
package account
