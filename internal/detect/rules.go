package detect

// rules are all that there are, in the order of docs/FINDINGS.md.
func rules() []*rule {
	return []*rule{scanFast, scanSlow, scanDistributed, guesses, guessesDistributed, nearMiss, replays, interception, clocks,
		stranger, forbiddenDoor, forbiddenPlace, twoPlaces, newCountry, neverUsed, failedLogins, overdue, exposed, floods}
}

// Rules returns the names of the rules.
func Rules() []string {
	var names []string
	for _, r := range rules() {
		names = append(names, r.name)
	}
	return names
}
