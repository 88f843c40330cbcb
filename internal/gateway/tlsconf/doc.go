// Package tlsconf gives the listeners of a hub their TLS: a server certificate
// and what a connection must keep to.
//
// Without a certificate of the operator's it makes a private certificate
// authority at the first start, whose root (ca.pem) clients are to trust, and a
// server certificate signed by it, which it renews by itself. Either way a
// [Reloader] watches the files and puts a new certificate in force without
// touching open connections; a replacement that cannot be used is kept out and
// the old one goes on.
//
// What it is not: it does not decide whose client certificate is good (package
// auth does, by the thumbprint that is registered), and it opens no listener.
package tlsconf
