//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/journal"
)

// journalPlace is where a command finds the journal.
type journalPlace struct{ config, file string }

func (p *journalPlace) journalFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.config, "config", "c", defaultConfig, "configuration `FILE`")
	cmd.Flags().StringVar(&p.file, "journal", "", "another journal `FILE`, such as one that was kept aside")
}

func (p *journalPlace) path() (string, error) {
	if p.file != "" {
		return p.file, nil
	}
	absolute, err := filepath.Abs(p.config)
	if err != nil {
		return "", fmt.Errorf("find the configuration: %w", err)
	}
	return config.JournalPath(os.DirFS("/"), absolute), nil
}

func (p *journalPlace) open() (*journal.Reader, error) {
	path, err := p.path()
	if err != nil {
		return nil, err
	}
	r, err := journal.OpenReader(path)
	if errors.Is(err, journal.ErrNoJournal) {
		return nil, hinted{err, "the daemon begins it when it starts: systemctl start sallyport"}
	}
	return r, advise(err)
}
