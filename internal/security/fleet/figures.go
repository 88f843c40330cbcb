package fleet

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Figures are a fleet at a moment. A part that is nil could not be had;
// Problems says why. They are shared: nobody changes them.
type Figures struct {
	// At is when the reading began.
	At time.Time `json:"at"`
	// Registered is how many devices there are.
	Registered *int64 `json:"registered,omitempty"`
	// States are the devices with a security module, by the state of their
	// posture: unhealthy, atRisk, healthy, unknown.
	States map[string]int64 `json:"devices"`
	// Score is nil as well if no device has one.
	Score *Score `json:"score,omitempty"`
	// Alerts are the open ones, Recommendations the active ones, by severity.
	Alerts          map[string]int64 `json:"alerts"`
	Recommendations map[string]int64 `json:"recommendations"`
	// TopTypes and TopRecommendations are the most frequent of these.
	TopTypes           []Type    `json:"topTypes"`
	TopRecommendations []Type    `json:"topRecommendations"`
	Affected           *Affected `json:"affected,omitempty"`
	Agents             *Agents   `json:"agents,omitempty"`
	Traffic            *Traffic  `json:"traffic,omitempty"`
	// Raised counts the alerts of the last 30 days by the hour in which they
	// were raised; hours without any are left out. Since is from when on the hub
	// would know of some.
	Raised []Hour    `json:"raised"`
	Since  time.Time `json:"since"`
	// Trend is the fleet at each hour of the last 30 days, the oldest first;
	// hours in which the hub did not run are left out.
	Trend []Point `json:"trend"`
	// Problems are why parts are missing.
	Problems []Problem `json:"problems,omitempty"`
}

// Problem says why a part of the figures could not be had.
type Problem struct {
	// Part is the name of the part as in JSON.
	Part    string `json:"part"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Problem returns why a part could not be had, "" if it could.
func (f *Figures) Problem(part string) string {
	for _, p := range f.Problems {
		if p.Part == part {
			return p.Message
		}
	}
	return ""
}

// Score is the mean score of the devices that are known: those whose state is
// not unknown.
type Score struct {
	// Value is 0 to 100: 100 and the three parts, which are the mean points that
	// each side takes away.
	Value           float64 `json:"value"`
	Devices         int64   `json:"devices"`
	Alerts          float64 `json:"alerts"`
	Recommendations float64 `json:"recommendations"`
	Agent           float64 `json:"agent"`
}

// Type is a type of alert or recommendation with how often there is one.
type Type struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	// Severity is the highest of these.
	Severity string `json:"severity"`
	Count    int64  `json:"count"`
	Devices  int64  `json:"devices"`
}

// Affected are the devices with the lowest scores among those that are
// unhealthy or at risk; All is how many these are.
type Affected struct {
	All     int64    `json:"all"`
	Devices []Device `json:"devices"`
}

// Device is a device with its posture.
type Device struct {
	Device tvilling.DeviceID `json:"device"`
	State  string            `json:"state"`
	Score  int               `json:"score"`
	// Alerts are the open ones by severity.
	Alerts map[string]int64 `json:"alerts"`
}

// Agents are how security agents do.
type Agents struct {
	// InSync, Differs and NotReported compare desired and reported
	// configurations; NotKnown are the devices for which nothing is known of it.
	InSync      int64 `json:"inSync"`
	Differs     int64 `json:"differs"`
	NotReported int64 `json:"notReported"`
	NotKnown    int64 `json:"notKnown"`
	// Silent have not been heard for Silence, Never not at all.
	Silent  int64         `json:"silent"`
	Never   int64         `json:"never"`
	Silence time.Duration `json:"-"`
	// Versions are the most frequent ones; Others is how many devices have
	// another.
	Versions []Version `json:"versions"`
	Others   int64     `json:"otherVersions"`
}

// Version is a version of agents.
type Version struct {
	Version string `json:"version"`
	Count   int64  `json:"count"`
}

// Hour is an hour with the alerts that were raised in it.
type Hour struct {
	Hour          time.Time `json:"hour"`
	High          int64     `json:"high"`
	Medium        int64     `json:"medium"`
	Low           int64     `json:"low"`
	Informational int64     `json:"informational"`
}

// Point is the fleet at an hour.
type Point struct {
	Hour      time.Time `json:"hour"`
	Score     *float64  `json:"score,omitempty"`
	Unhealthy int64     `json:"unhealthy"`
	AtRisk    int64     `json:"atRisk"`
	Healthy   int64     `json:"healthy"`
	Unknown   int64     `json:"unknown"`
}

// Before returns the point of so many hours before the figures, nil if there is
// none.
func (f *Figures) Before(hours int) *Point {
	at := f.At.Truncate(time.Hour).Add(-time.Duration(hours) * time.Hour)
	for i := range f.Trend {
		if f.Trend[i].Hour.Equal(at) {
			return &f.Trend[i]
		}
	}
	return nil
}
