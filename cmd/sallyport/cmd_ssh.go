package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newSSH(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ssh [USER@]PROFILE [SSH-OPTIONS] [COMMAND]",
		Short:   "Open the door and log in with ssh",
		GroupID: "client",
		Long: `Becomes ssh to the host of the profile, which connects by "sallyport proxy": that knocks, and hands the
connection over. What follows the name is for ssh.`,
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
			return hinted{fmt.Errorf("find ssh: %w", programProblem(err)), "install the OpenSSH client"}
		}
		proxy, err := proxyArguments(flags, *door, profile.Name)
		if err != nil {
			return err
		}
		return become(ssh, sshArguments(user, profile.Host, proxy, list[1:]))
	}
	return cmd
}

// proxyArguments makes the command line of sallyport proxy that does for ssh
// what was asked of us.
func proxyArguments(flags *askFlags, doors []string, profile string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	list := append([]string{self, "proxy"}, flags.words()...)
	for _, d := range doors {
		list = append(list, "--door", d)
	}
	return append(list, profile), nil
}

// sshArguments makes the arguments of ssh, with its name. It connects by the
// proxy, which is given host and port.
func sshArguments(user, host string, proxy, rest []string) []string {
	list := []string{"ssh"}
	if passesDescriptors {
		list = append(list, "-o", "ProxyUseFdpass=yes")
		proxy = append(slices.Clone(proxy), "--fdpass")
	}
	words := make([]string, len(proxy))
	for i, word := range proxy {
		words[i] = strings.ReplaceAll(quoteWord(word), "%", "%%")
	}
	list = append(list, "-o", "ProxyCommand="+strings.Join(words, " ")+" %h %p")
	if user != "" {
		list = append(list, "-l", user)
	}
	return append(append(list, host), rest...)
}
