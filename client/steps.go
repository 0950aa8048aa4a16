package client

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/sequence"
)

// UsedStepError says that the sequence of this half minute has been sent to a
// door already. It opens a door once, so to send it again would do nothing but
// look like a replay.
type UsedStepError struct {
	Door  string
	Again time.Time // when the next sequence can be sent
}

func (e *UsedStepError) Error() string {
	return fmt.Sprintf("the sequence of this half minute has been sent to door %q already, and opens it once", e.Door)
}

// Hint says what to do.
func (e *UsedStepError) Hint() string {
	return "the door may still be open; the next sequence can be sent from " + e.Again.Local().Format(time.TimeOnly) + " on"
}

// stepsSuffix ends the name of the file beside a profile that holds the last
// step sent to each door, one "DOOR STEP" a line. It is a help for the user and
// no more: the server refuses used steps anyway. So a file that cannot be read
// or written is none.
const stepsSuffix = ".steps"

// stepsAhead is how far ahead of the clock a step may be that was sent: by one
// for the second family of a host. What is further ahead is of a clock that
// was wrong.
const stepsAhead = 1

// used returns the last step that was sent to a door with the profile of this
// user, if it still matters.
func used(p *Profile, door string, now int64) (step int64, ok bool) {
	step, ok = readSteps(p)[door]
	return step, ok && step >= now && step <= now+stepsAhead
}

// remember keeps the last step that was sent to a door.
func remember(p *Profile, door string, step int64) {
	path, err := stepsPath(p)
	if err != nil {
		return
	}
	steps := readSteps(p)
	steps[door] = step
	var text strings.Builder
	for _, d := range p.Doors { // those that there are no longer are forgotten
		if s, ok := steps[d]; ok {
			fmt.Fprintf(&text, "%s %d\n", d, s)
		}
	}
	_ = writePrivate(path, []byte(text.String()))
}

func readSteps(p *Profile) map[string]int64 {
	steps := map[string]int64{}
	path, err := stepsPath(p)
	if err != nil {
		return steps
	}
	text, err := readPrivate(path)
	if err != nil {
		return steps
	}
	for line := range strings.Lines(string(text)) {
		door, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if step, err := strconv.ParseInt(number, 10, 64); err == nil {
			steps[door] = step
		}
	}
	return steps
}

// stepsPath is where the steps of a profile are, if the user keeps it.
func stepsPath(p *Profile) (string, error) {
	path, err := pathOf(p.Name)
	if err == nil {
		_, err = os.Stat(path)
	}
	return strings.TrimSuffix(path, suffix) + stepsSuffix, err
}

// forget removes the steps of a profile that is replaced or removed.
func forget(path string) { _ = os.Remove(strings.TrimSuffix(path, suffix) + stepsSuffix) }

// beginning is when a step begins.
func beginning(step int64) time.Time { return time.Unix(step*int64(sequence.Period/time.Second), 0) }
