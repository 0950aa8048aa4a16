package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sallyport/internal/phrase"
)

// parseWhen reads a point in time: so long ago ("30m", "2h", "7d", "2w"), a
// date or a date and time here, or RFC 3339. No text is no time.
func parseWhen(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := phrase.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`%s %q: want how long ago, such as 30m, 2h or 7d, or a time such as 2026-03-01, "2026-03-01 12:30" or 2026-03-01T12:30:00Z`, flag, text)
}

// noneEmpty refuses flags with nothing in them, which would restrict nothing:
// most likely a variable of a script was not set.
func noneEmpty(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v := f.Value.String(); err == nil && (v == "" || v == "[]") {
			err = usageError{fmt.Errorf("--%s is empty", f.Name)}
		}
	})
	return err
}

func unknownWord[T ~string](flag, word string, known []T) error {
	list := make([]string, len(known))
	for i, k := range known {
		list[i] = string(k)
	}
	return hinted{fmt.Errorf("%s %q is not known", flag, word), didYouMean(word, list, "known are: "+strings.Join(list, ", "))}
}

// cutUser splits "alice@office".
func cutUser(s string) (user, name string, found bool) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return "", s, false
}
