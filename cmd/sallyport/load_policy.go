//go:build !client_only

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
)

// policyFlag adds --policy to a command.
func policyFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "policy", "", "what an organisation demands, a `FILE`; docs/LINT.md lists its keys")
	_ = cmd.MarkFlagFilename("policy", "toml") // cannot fail: the flag has just been defined
}

// loadPolicy reads the requirements at a path; without one there are none.
func loadPolicy(path string) (*config.Requirements, error) {
	if path == "" {
		return nil, nil
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the policy: %w", err)
	}
	want, err := config.LoadRequirements(os.DirFS("/"), absolute)
	return want, advise(err)
}
