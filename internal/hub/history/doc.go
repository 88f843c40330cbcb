// Package history reads what the journal keeps of twins: their versions with
// what each has changed, how a twin was at a point in the past, and puts a twin
// back to that. It keeps nothing of its own, knows no wire and decides nothing
// about who may do what.
//
// The journal has every change and, for each batch of them, the records that
// the batch left. What a twin was between the changes of one batch is worked
// out by applying the changes to what was there before; where that does not
// lead to what the batch left, as it does not for changes whose body does not
// tell all, the history says that it can only tell of several changes together.
package history
