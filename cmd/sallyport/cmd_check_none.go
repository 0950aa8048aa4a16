//go:build client_only

package main

import "github.com/spf13/cobra"

func newCheck(stdio) *cobra.Command { return needsServer("check") }
