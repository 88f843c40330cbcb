// Package tvilling holds the words of a Tvilling hub: the plain values that
// every other package speaks in. It imports the standard library only and does
// nothing by itself.
//
//   - A hub keeps identities: devices, and modules of devices. An [Identity]
//     names one of them; it can authenticate and has exactly one twin.
//   - A twin is the JSON document of an identity: tags, desired properties and
//     reported properties, with versions and metadata.
//   - The security module twin is the twin of the module [SecurityModule],
//     which the hub keeps beside every device.
//   - A [Message] is what a device or module sends: telemetry, or, when its
//     interface id is [SecurityInterface], a security message.
//   - An [Error] carries a code for machines, a message for people and a cause
//     for operators; each adapter translates it to its wire once, at its edge.
package tvilling
