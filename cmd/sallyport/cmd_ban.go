//go:build linux && !client_only

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/event"
)

func newBan(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ban",
		Short:   "Keep a source out for a while, or see who is kept out",
		GroupID: "server",
		Long: `A banned source reaches nothing of this host that it has not reached before, whatever it knocks;
connections under way go on. The daemon bans by itself only if [ban] in the configuration says
so, and only on evidence that cannot be forged. Trusted sources, the host itself, and anyone who has opened a
door within a day are never banned. Of IPv6, the whole /64 is.`,
		Example: `  sallyport ban add 203.0.113.7 --for 24h
  sallyport ban list
  sallyport ban remove 203.0.113.7`,
		Args: args(cobra.NoArgs),
	}
	cmd.AddCommand(newBanAdd(std), newBanRemove(std), newBanList(std))
	return cmd
}

func banLine(b event.Ban) string {
	return fmt.Sprintf("%s is banned until %s (%s)", b.Source, b.Until.Local().Format(time.DateTime), remaining(b.Until, time.Now()))
}
