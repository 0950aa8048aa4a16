package detect

import (
	"time"

	"sallyport/internal/event"
	"sallyport/internal/lang"
)

// exercise is what an operator raises to see who hears of findings. It is about no
// source, door or client: nothing could be banned, revoked or closed by it.
var exercise = &rule{
	name: event.RuleExercise,
	explain: func(l lang.Lang, _ *event.Finding) string {
		return l.Say("this is an exercise: nothing has happened, and an operator of this gate wants to know who hears of it")
	},
	advice:  "Acknowledge it, so that it is on record that you have seen it.",
	command: func(f *event.Finding) string { return "sallyport findings ack " + f.ID },
	quiet:   time.Minute,
	ours:    true,
}

// Exercise is the finding of an exercise.
func Exercise(now time.Time, severity event.Severity) event.Finding {
	f := event.Finding{Rule: exercise.name, Severity: severity, First: now, Last: now, Count: 1}
	f.ID = idOf(&f)
	f.Explanation, f.Advice = exercise.sentence(lang.English, &f), exercise.advise(lang.English, &f)
	return f
}
