//go:build linux && !client_only

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/packet"
	"sallyport/internal/phrase"
)

func newDoorAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME=PORT[,PORT ...]",
		Short: "Close ports, and make a door of them",
		Long: `Writes conf.d/door-NAME.toml beside the configuration, and has the daemon close the ports. Sessions go on.
Nothing is written that the configuration would not accept.`,
		Example: `  sallyport door add web=tcp/8443
  sallyport door add mosh=udp/60000-60050 --open-for 1m --confirm 2m`,
		Args: args(cobra.ExactArgs(1)),
	}
	var a alteration
	a.flags(cmd)
	openFor := durationFlag(30 * time.Second)
	cmd.Flags().Var(&openFor, "open-for", "how long it stays open to those who knocked")
	single := cmd.Flags().Bool("single", false, "a grant lets in one connection only")
	label := cmd.Flags().String("label", "", "a `TEXT` for people, shown beside the name")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		name, ports, err := parseDoor(list[0])
		if err != nil {
			return usageError{err}
		}
		file, err := doorFile(a.path, name)
		if err != nil {
			return err
		}
		if _, err := os.Lstat(file); err == nil {
			return hinted{fmt.Errorf("door %q is there already: %s", name, file), "change it with sallyport config set door." + name + ".ports …"}
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "# Made by sallyport door add on %s.\n\n[[door]]\nname     = %s\n", time.Now().Format(time.DateOnly), config.Quote(name))
		if *label != "" {
			fmt.Fprintf(&b, "label    = %s\n", config.Quote(*label))
		}
		fmt.Fprintf(&b, "ports    = [%s]\nopen_for = %s\n", quoted(ports), config.Quote(phrase.Duration(time.Duration(openFor))))
		if *single {
			b.WriteString("single   = true\n")
		}
		if err := a.apply(cmd.Context(), std.out, file, nil, b.Bytes()); err != nil {
			return fmt.Errorf("add door %q: %w", name, err)
		}
		fmt.Fprintf(std.out, "door %q guards %s (%s)\n", name, strings.Join(ports, ", "), file)
		fmt.Fprintf(std.out, "let someone open it: sallyport client add NAME --key FILE --door %s\n", name)
		return nil
	}
	return cmd
}

// parseDoor reads NAME=PORT,PORT: the ports as they are written in the
// configuration.
func parseDoor(text string) (name string, ports []string, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" || rest == "" {
		return "", nil, fmt.Errorf(`%q: want NAME=PORT, such as web=tcp/8443 or mosh=tcp/22,udp/60000-60050`, text)
	}
	for _, p := range strings.Split(rest, ",") {
		if _, err := packet.ParseRange(p); err != nil {
			return "", nil, fmt.Errorf("door %q: %w", name, err)
		}
		ports = append(ports, p)
	}
	return name, ports, nil
}
