//go:build linux && !client_only

package main

import (
	"sync"

	"github.com/spf13/cobra"

	"sallyport/internal/convert"
	"sallyport/internal/packet"
	"sallyport/internal/setup"
)

// newImportSequences converts a list, which is not a configuration.
func newImportSequences(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sequences FILE|-",
		Short: "Make a sequences_file from knockd's one_time_sequences",
		Example: `  sudo sallyport import sequences /etc/knockd/smtp_sequences \
      -o /etc/sallyport/smtp.sequences`,
		Args: args(cobra.ExactArgs(1)),
	}
	out := outFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, list []string) error {
		text, err := imported(std.in, list[0], convert.Sequences)
		if err != nil {
			return err
		}
		return save(std.out, *out, text)
	}
	return cmd
}

// freeSequences makes sequences of ports that nothing on this host uses. It
// looks at the host when the first one is needed.
func freeSequences() convert.Sequence {
	around := sync.OnceValues(setup.Look)
	return func() ([]packet.Port, error) {
		h, err := around()
		if err != nil {
			return nil, err
		}
		return h.Sequence()
	}
}
