//go:build linux && !client_only

package main

import (
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/guide"
)

func newGuide(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "guide [--policy FILE] [--html FILE]",
		Short:   "Write the guideline for people, out of the configuration",
		GroupID: "server",
		Long: `Writes what an organisation hands to its people and its auditors: who may open what and why,
the rules for keys and secrets, what is recorded and for how long, roles, what to do when something
happens, and dates. Each sentence is there because of the configuration. No secret is in it.
As Markdown, or as a page that needs neither network nor scripts.`,
		Example: `  sallyport guide > guideline.md
  sallyport guide --policy /etc/company/policy.toml --html guideline.html
  sallyport guide --lang ja`,
		Args: args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	lang := languageFlag(cmd)
	var policy, html string
	policyFlag(cmd, &policy)
	cmd.Flags().StringVar(&html, "html", "", "write a page to this `FILE` (-: print it)")
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := loadKnown(*path)
		if err != nil {
			return err
		}
		want, err := loadPolicy(policy)
		if err != nil {
			return err
		}
		host, err := os.Hostname()
		if err != nil {
			host = "this host"
		}
		return writeGuide(std.out, guide.New(guide.Subject{Config: cfg, Policy: want, Host: host, Lang: lang.get(), Now: time.Now()}), html)
	}
	return cmd
}

func writeGuide(out io.Writer, g *guide.Guide, html string) error {
	if html == "" {
		return g.Markdown(out)
	}
	return writeHTML(out, html, g.HTML)
}
