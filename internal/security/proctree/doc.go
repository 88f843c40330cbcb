// Package proctree makes of the starts and ends of processes that a device told
// of a forest: who was started by whom, when each began and ended.
//
// Devices tell of some processes only, in messages that may come late, and use
// ids of processes again. So a parent may be missing, an end may have no
// beginning, and one id may be several processes one after the other. Every
// observation that is added is in the forest exactly once.
//
// It is pure: it reads no store, and knows no page.
package proctree
