// Package posture says in one word and one number how a device stands: from
// its open alerts, its active recommendations and whether its agent is heard.
// [Of] is the judgement, a pure function of what the ledger has; [Writer] keeps
// it in the twin of the security module, where services read and query it. It
// finds nothing itself.
//
// The score begins at 100. Each open alert and each active recommendation
// leaves a part of it, by its severity, and so does an agent that is not heard:
//
//	                 high  medium  low   informational
//	alert            0.50  0.80    0.95  0.99
//	recommendation   0.80  0.92    0.98  1
//	agent not heard  0.50
//
// The parts are the points that each of the three takes away, in this order.
// More, or severer, alerts and recommendations never raise a score.
//
// The state is the first of these that holds:
//
//	unhealthy  an alert of high severity is open, or alerts and
//	           recommendations leave less than 40 points
//	unknown    the device never sent a security message, or has been silent
//	           for too long
//	atRisk     an alert of low or medium severity is open, or a recommendation
//	           of medium or high severity is active
//	healthy    none of them
package posture
