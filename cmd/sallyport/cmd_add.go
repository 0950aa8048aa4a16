package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/client"
)

func newAdd(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "add FILE | - | URI",
		Short:   "Add a profile that a server has printed",
		GroupID: "client",
		Long: `Checks a profile and keeps it in your configuration folder. The server prints it with
"sallyport client profile". A URI is what its QR code holds. Prints what ssh needs to knock by itself.`,
		Example: "  sallyport add office.profile",
		Args:    args(cobra.ExactArgs(1)),
	}
	replace := cmd.Flags().Bool("replace", false, "in the place of a profile with the same name")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		profile, err := readProfile(std.in, list[0])
		if err != nil {
			return err
		}
		if err := saveProfile(profile, *replace); err != nil {
			return err
		}
		printAdded(std, profile)
		return nil
	}
	return cmd
}

// readProfile reads a profile, or the URI of a QR code, from a file or from
// the command line.
func readProfile(in io.Reader, source string) (*client.Profile, error) {
	if strings.HasPrefix(source, "sallyport:") {
		return client.ParseRotatingURI(source)
	}
	text, err := readInput(in, source)
	if err != nil {
		return nil, err
	}
	var profile *client.Profile
	if uri := strings.TrimSpace(string(text)); strings.HasPrefix(uri, "sallyport:") {
		profile, err = client.ParseRotatingURI(uri)
	} else {
		profile, err = client.ParseProfile(text)
	}
	if err != nil {
		return nil, hinted{fmt.Errorf("%s: %w", source, err), "the server prints a right one: sallyport client profile"}
	}
	return profile, nil
}

// maxInput is more than anything that is read as a whole may have.
const maxInput = 1 << 16

// readInput reads a file, or standard input for "-".
func readInput(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(in, maxInput))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxInput))
}

func saveProfile(p *client.Profile, replace bool) error {
	if _, err := client.Load(p.Name); !errors.Is(err, fs.ErrNotExist) && !replace {
		return hinted{fmt.Errorf("there is a profile %q already", p.Name), "--replace puts this one in its place"}
	}
	return client.Save(p)
}

// printAdded tells what can be done with a new profile.
func printAdded(std stdio, p *client.Profile) {
	fmt.Fprintf(std.out, `added the profile %q of %s. Try it:

    sallyport knock %[1]s
    sallyport ssh %[1]s

To let ssh, scp and rsync knock by themselves, add to ~/.ssh/config:

    Host %[1]s
        HostName %[2]s
        ProxyCommand sallyport proxy %[1]s %%h %%p
`, p.Name, p.Host)
}

func newList(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the profiles",
		GroupID: "client",
		Args:    args(cobra.NoArgs),
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		names, err := client.List()
		if err != nil {
			return err
		}
		list, broken := []profileJSON{}, []error{}
		for _, name := range names {
			p, err := client.Load(name)
			if err != nil {
				broken = append(broken, err)
				continue
			}
			list = append(list, profileJSON{p.Name, p.Host, p.Port, append([]string{}, p.Doors...), !p.Rotating.IsZero()})
		}
		if *asJSON {
			printJSON(std.out, list)
		} else {
			printProfiles(std.out, list)
		}
		return errors.Join(broken...)
	}
	return cmd
}

// profileJSON is a profile for programs, without its key.
type profileJSON struct {
	Name     string   `json:"name"`
	Host     string   `json:"host"`
	Port     uint16   `json:"port"` // 0: no SPA
	Doors    []string `json:"doors"`
	Rotating bool     `json:"rotating"`
}

func printProfiles(w io.Writer, list []profileJSON) {
	for _, p := range list {
		where := p.Host
		if p.Port != 0 {
			where = net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port)))
		}
		fmt.Fprintf(w, "%s\t%s", p.Name, where)
		for _, d := range p.Doors {
			fmt.Fprintf(w, " %s", d)
		}
		if p.Rotating {
			fmt.Fprint(w, " (rotating sequences)")
		}
		fmt.Fprintln(w)
	}
}

func newRemove(std stdio) *cobra.Command {
	return &cobra.Command{
		Use:     "remove PROFILE",
		Short:   "Remove a profile",
		GroupID: "client",
		Long:    `Forgets a profile. The server goes on knowing your key: "sallyport client remove" is said there.`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			if err := client.Remove(list[0]); err != nil {
				return err
			}
			fmt.Fprintf(std.out, "removed the profile %q\n", list[0])
			return nil
		},
	}
}
