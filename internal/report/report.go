// Package report turns what the journal holds into something a person looks at:
// the reasons of decisions in plain words, and a summary of days or weeks as a
// page or as text.
//
// It is pure: events go in, text comes out. Every word that an attacker may
// have chosen is escaped where it is printed.
package report
