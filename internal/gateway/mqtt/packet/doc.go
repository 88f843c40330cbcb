// Package packet encodes and decodes the control packets of MQTT 3.1.1, for
// both the server's and the client's side of a connection.
//
// It is a pure codec: bytes in, values out; no sockets, no clocks, no state of
// a connection. Decoding copies nothing: what a decoded packet holds points
// into the buffer it was read from and is valid as long as that buffer is.
//
// [Next] splits a buffer into frames and says when more bytes are needed. A
// frame's type tells which Decode function reads it. Everything that the
// standard lets a receiver check in one packet alone is checked here, with the
// clause beside it; what depends on the connection (a second CONNECT, a topic
// that is not served, QoS 2 on a hub that has none) is the business of package
// mqtt. PUBREC, PUBREL and PUBCOMP are recognised as frames, so that a server
// can name what it refuses, and have no decoder.
package packet
