//go:build linux && !client_only

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newClientProfile(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile NAME --host HOST",
		Short: "Print what a client needs to know of this server",
		Long: `Prints a profile, which the client reads with "sallyport add". It holds the server's public key,
which is for clients only: anyone who has it can make the server do work, though never open a door.`,
		Example: "  sallyport client profile alice --host gate.example.org > alice.profile",
		Args:    args(cobra.ExactArgs(1)),
	}
	path := configFlag(cmd)
	host := cmd.Flags().String("host", "", "name or address, `HOST`, by which the client reaches this server")
	port := cmd.Flags().Uint16("port", 0, "UDP `PORT` by which it does (default: the SPA port)")
	asQR := cmd.Flags().Bool("qr", false, "print what rotating sequences need as a QR code")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if *host == "" {
			return usageError{hinted{errors.New("--host is missing"), "usage: " + cmd.UseLine()}}
		}
		if err := checkHost(*host); err != nil {
			return err
		}
		p, err := makeProfile(*path, list[0], *host, *port)
		if err != nil {
			return err
		}
		if *asQR {
			return printQR(std.out, p)
		}
		_, err = std.out.Write(p.Marshal())
		return err
	}
	return cmd
}
