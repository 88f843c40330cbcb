// Package configuration keeps automatic configurations (wire §4.5): a
// configuration says which twins it is for, by a condition, and what is to be
// in their desired properties. The package sees to it that each twin has what
// the configurations that apply to it say, in order of their priority, and
// nothing of those that no longer do.
//
// What is to be done with one twin is a pure function of that twin and of the
// configurations that there are: the stamps in the twin say which configuration
// set a value. Doing it again changes nothing, so whatever was interrupted is
// mended by looking at the twin once more. Nothing else is remembered of a twin.
//
// The package does not evaluate queries by itself and knows no wire; it knows
// nothing of devices that run configurations of their own (IoT Edge).
package configuration
