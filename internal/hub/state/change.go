package state

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Op says what a change did.
type Op string

// The changes that a journal records (names of wire §2.8 where it has one).
const (
	CreateDevice  Op = "createDeviceIdentity"
	UpdateDevice  Op = "updateDeviceIdentity"
	DeleteDevice  Op = "deleteDeviceIdentity"
	CreateModule  Op = "createModuleIdentity"
	UpdateModule  Op = "updateModuleIdentity"
	DeleteModule  Op = "deleteModuleIdentity"
	UpdateTwin    Op = "updateTwin"
	ReplaceTwin   Op = "replaceTwin"
	ReportTwin    Op = "reportTwin"  // reported properties, by the device
	UpdateOwned   Op = "updateOwned" // an owned member, by the hub
	ChangePolicy  Op = "changePolicy"
	ChangeSetting Op = "changeSetting"
	Connected     Op = "connected"
	Disconnected  Op = "disconnected"
	// Of the people who use the console.
	ChangeUser    Op = "changeUser"    // a user: created, role, password, removed, …
	SignedIn      Op = "signedIn"      // a session began
	SignedOut     Op = "signedOut"     // a session was ended
	SignInRefused Op = "signInRefused" // one or, within seconds, more of them
	Acted         Op = "acted"         // an act that changes no record of the hub
)

// Change is one entry of the journal. It never holds a key.
type Change struct {
	// Sequence orders all changes of a hub, from 1 on without gaps.
	Sequence uint64
	Time     time.Time
	Op       Op
	ID       tvilling.Identity
	// Actor says who did it: "policy:iothubowner", "device:d", "module:d/m",
	// "hub:companion".
	Actor string
	// Version is the twin's version, Desired and Reported the sections'
	// versions after the change; 0 where the change does not touch them.
	Version, Desired, Reported int64
	// Body is the change as JSON: for twins the accepted patch or replacement
	// ({"tags":…,"properties":{"desired":…,"reported":…}}), for an owned member
	// its new content under its name, null if it was removed, for others nil
	// or an object that says what changed.
	Body []byte
	// Cause says why, where the operation does not: "restore of version 7",
	// "configuration fw-5: no longer targeted". It is for people; "" for most.
	Cause string
}
