// Package device is a device's side of the wire: an MQTT client of an IoT Hub
// for one device or module. It reads and reports the twin, hears of desired
// properties, and sends messages, one at a time or many in flight.
//
// It is made for the security agent, for simulated fleets and for measuring hubs,
// so a waiting client costs two goroutines and no buffers. It does not reconnect: a
// connection ends once (package internal/agent/link keeps one). It is written
// against the wire, not against this hub: nothing in it is shared with the
// gateway but the codec of MQTT packets.
package device
