// Package audit keeps a log of what people and policies did: acts of users of
// the console and of whoever comes with a shared access policy, picked out of
// the hub's journals as these become durable. The journals have everything that
// devices do as well, millions of changes; the log has what somebody is asked
// about later, and is small enough to be read back from its end.
//
// The log writes no journal. It follows each of its sources from where it was,
// and keeps that place with the entries, so that nothing is missed or told twice
// by a crash. An act is in it moments after it was durable.
package audit
