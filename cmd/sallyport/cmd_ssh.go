package main

import (
	"fmt"
	"os/exec"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newSSH(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ssh [USER@]PROFILE [SSH-OPTIONS] [COMMAND]",
		Short:   "Open the door and log in with ssh",
		GroupID: "client",
		Long: `Knocks, and becomes ssh to the host of the profile as soon as the door is open. What follows
the name is for ssh.`,
		Example: `  sallyport ssh office
  sallyport ssh alice@office -p 2222 uptime`,
		Args: args(cobra.MinimumNArgs(1)),
	}
	cmd.Flags().SetInterspersed(false)
	flags := addAskFlags(cmd, std)
	door := cmd.Flags().StringArray("door", nil, "the `DOOR` to open (default: the profile's first one)")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		user, name, _ := cutUser(list[0])
		profile, err := loadProfile(name)
		if err != nil {
			return err
		}
		ssh, err := exec.LookPath("ssh")
		if err != nil {
			return hinted{fmt.Errorf("find ssh: %w", err), "install the OpenSSH client"}
		}
		opts := flags.options()
		opts.Doors, opts.First = *door, true
		result, err := openDoor(cmd.Context(), profile, opts)
		if tolerant(err) != nil {
			return err
		}
		if err != nil {
			printError(std.err, err)
			fmt.Fprintln(std.err, "note: trying ssh nevertheless")
		}
		warnOf(std.err, profile, result)
		return become(ssh, sshArguments(user, profile.Host, result, list[1:]))
	}
	return cmd
}

// sshArguments makes the arguments of ssh, with its name. It is to use the
// family of the address that the door is open for, and to come from the
// address of this host that has knocked.
func sshArguments(user, host string, r client.Result, rest []string) []string {
	list := []string{"ssh"}
	if len(r.Grants) > 0 {
		family := "inet6"
		if r.Grants[0].Server.Addr().Is4() {
			family = "inet"
		}
		list = append(list, "-o", "AddressFamily="+family)
		if local := r.Grants[0].Local; local.IsValid() && local.Zone() == "" {
			list = append(list, "-o", "BindAddress="+local.String())
		}
	}
	if user != "" {
		list = append(list, "-l", user)
	}
	return append(append(list, host), rest...)
}
