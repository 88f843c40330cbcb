// Package mqtt is the MQTT 3.1.1 gateway of a hub: it lets unmodified clients
// of Azure IoT Hub connect, and turns their packets into calls of the hub's
// services and what the hub has to say into packets.
//
// It is not a message broker: there are no retained messages, no QoS 2, no
// routing between clients, and only the topics that an IoT Hub serves. A client
// that uses any other topic is disconnected; that is what an IoT Hub does.
//
// A connection is one goroutine that reads. While it waits it holds no buffer;
// what it read in one go it handles in one go. What is sent goes through the
// connection's outbox, which is bounded and never blocks whoever adds to it; a
// goroutine writes only while there is something to write. A client that
// does not read is disconnected, its versions are never skipped.
package mqtt
