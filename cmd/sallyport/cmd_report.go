//go:build linux && !client_only

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/build"
	"sallyport/internal/daemon/inquiry"
	"sallyport/internal/report"
)

func newReport(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "report [--since 7d] [--html FILE]",
		Short:   "Sum up the last days, on a page or as text",
		GroupID: "server",
		Long: `Sums up what the journal holds: doors opened, knocks refused and why, scans, the loudest
addresses, when each client was last let in, findings, secrets to change, and what to do. As text
it suits a mail; --html makes one page that needs neither network nor scripts.`,
		Example: `  sallyport report --since 7d --html /root/sallyport.html
  sallyport report | mail -s "Sallyport" root
  sallyport report --lang ja --html /root/sallyport.html
  systemctl enable --now sallyport-report.timer   # a page every week`,
		Args: args(cobra.NoArgs),
	}
	var c reportCommand
	c.std = std
	c.journalFlags(cmd)
	c.lang = languageFlag(cmd)
	cmd.Flags().StringVar(&c.since, "since", "7d", "from this `TIME` on, as for events")
	cmd.Flags().StringVar(&c.until, "until", "", "up to this `TIME`")
	cmd.Flags().StringVar(&c.html, "html", "", "write a page to this `FILE` (-: print it)")
	asJSON := cmd.Flags().Bool("json", false, "print the figures as JSON")
	cmd.MarkFlagsMutuallyExclusive("html", "json")
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := c.build(cmd.Context(), time.Now())
		switch {
		case err != nil:
			return err
		case *asJSON:
			printJSON(std.out, r.Summary())
			return nil
		case c.html != "":
			return writeHTML(std.out, c.html, r.HTML)
		}
		return r.Text(std.out)
	}
	return cmd
}

type reportCommand struct {
	std stdio
	journalPlace
	since, until, html string
	lang               *langFlag
}

func (c *reportCommand) build(ctx context.Context, now time.Time) (*report.Report, error) {
	s := report.Subject{Version: build.Version(), Lang: c.lang.get(), Zone: now.Location(), Until: now}
	var err error
	if s.Since, err = parseWhen("--since", c.since, now); err != nil {
		return nil, usageError{err}
	}
	if c.until != "" {
		if s.Until, err = parseWhen("--until", c.until, now); err != nil {
			return nil, usageError{err}
		}
	}
	if !s.Since.Before(s.Until) {
		return nil, usageError{errNoTime}
	}
	s.Host, err = os.Hostname()
	if err != nil {
		s.Host = "this host"
	}
	c.configured(&s, now)
	reader, err := c.open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return inquiry.Build(ctx, reader, s)
}

// configured adds what the configuration says. Without it there is a report all
// the same, of what has happened.
func (c *reportCommand) configured(s *report.Subject, now time.Time) {
	cfg, err := loadKnown(c.config)
	if err != nil {
		fmt.Fprintf(c.std.err, "sallyport: doors and clients without events are not in the report: the configuration %q cannot be used (sallyport check)\n", c.config)
		return
	}
	inquiry.Configured(s, cfg, now)
}
