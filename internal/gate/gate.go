// Package gate decides. It takes decoded packets with the time they arrived
// and returns grants, refusals with their reasons, or nothing. It is pure: no
// input or output, no goroutines, no clock, no logging. One goroutine uses it.
package gate
