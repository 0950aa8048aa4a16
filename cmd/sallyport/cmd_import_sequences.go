//go:build linux && !client_only

package main

import (
	"github.com/spf13/cobra"

	"sallyport/internal/convert"
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
