package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newAsk(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ask PROFILE [DOOR]",
		Short:   "Ask an operator to let you in",
		GroupID: "client",
		Long: `Asks where a knock would be refused: at another door, from elsewhere, outside the hours. It prints six letters; say
them to an operator of the server, who sees the address you come from, types them, and chooses door and time.

Nothing answers, whether or not the message has arrived. If the operator does not see it, ask again: each
time there is another code, and only the latest counts. One address is asked, and is the one to connect to.`,
		Example: `  sallyport ask office
  sallyport ask office db -4`,
		Args: args(cobra.RangeArgs(1, 2)),
	}
	flags := addAskFlags(cmd, std)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if err := useless(cmd, "ask: nothing answers", "timeout"); err != nil {
			return err
		}
		profile, err := loadProfile(list[0])
		if err != nil {
			return err
		}
		door := ""
		if len(list) == 2 {
			door = list[1]
		}
		asked, err := client.Ask(cmd.Context(), profile, door, flags.options())
		if err != nil {
			return err
		}
		if *asJSON {
			printJSON(std.out, askedJSON{asked.Code, asked.Door, asked.Server.String(), asked.Until})
			return nil
		}
		printAsked(std.out, asked)
		return nil
	}
	return cmd
}

// askedJSON is an ask for programs.
type askedJSON struct {
	Code   string    `json:"code"`
	Door   string    `json:"door"`
	Server string    `json:"server"`
	Until  time.Time `json:"until"`
}

func printAsked(w io.Writer, a client.Asked) {
	fmt.Fprintf(w, "Say this to the operator, until %s:\n\n    %s\n\n", a.Until.Local().Format(time.TimeOnly), a.Code)
	what := "to be let in"
	if a.Door != "" {
		what = fmt.Sprintf("for door %q", a.Door)
	}
	fmt.Fprintf(w, "%s was asked %s; nothing answers. When you have been let in, connect to this address as usual.\n", a.Server.Addr(), what)
}
