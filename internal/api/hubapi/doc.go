// Package hubapi is the HTTPS interface of a hub for services and operators:
// the REST calls that Azure IoT Hub clients make (identities, twins, queries,
// statistics) and, below /tvilling/, those of Tvilling alone.
//
// A [Handler] finds the route, proves who asks, checks the permission, reads
// the body strictly and calls one method of a core service; whatever the
// service answers is written in the shape that unmodified clients read. It
// holds no state of the hub and decides nothing about devices.
//
// It is not the device side (telemetry and cloud-to-device over HTTPS), not
// the security interface, not the console, and it opens no sockets: the caller
// serves the handler and stops it.
package hubapi
