// Package intake carries security messages from the log, where they are
// durable, to what follows from them: it decodes them, keeps their events,
// hands the fresh ones to the detections and assessments, and commits what
// these conclude together with its own place in the log. After a stop of any
// kind it goes on from that place, so that nothing is concluded twice and
// nothing is left out. It takes no messages itself and decides nothing.
package intake
