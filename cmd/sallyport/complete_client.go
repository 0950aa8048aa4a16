//go:build client_only

package main

import "github.com/spf13/cobra"

var serverArguments map[string]names

func offerServer(*cobra.Command, func(string, names)) {}
