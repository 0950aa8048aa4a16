package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sallyport/client"
)

// readProfile reads a profile, or the URI of a QR code, from a file or from
// the command line.
func readProfile(in io.Reader, source string) (*client.Profile, error) {
	if isURI(source) {
		return client.ParseRotatingURI(source)
	}
	text, err := readInput(in, source)
	if err != nil {
		return nil, err
	}
	var profile *client.Profile
	if uri := strings.TrimSpace(string(text)); isURI(uri) {
		profile, err = client.ParseRotatingURI(uri)
	} else {
		profile, err = client.ParseProfile(text)
	}
	if err != nil {
		return nil, hinted{fmt.Errorf("%s: %w", source, err), "the server prints a right one: sallyport client profile"}
	}
	return profile, nil
}

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

// argumentOrInput returns an argument, or what comes from the input where it is "-": what
// stands on a command line is seen by others of the host.
func argumentOrInput(in io.Reader, argument string) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	text, err := readInput(in, argument)
	return string(text), err
}

func saveProfile(p *client.Profile, replace bool) error {
	if _, err := client.Load(p.Name); !errors.Is(err, fs.ErrNotExist) && !replace {
		return hinted{fmt.Errorf("there is a profile %q already", p.Name), "--replace puts this one in its place"}
	}
	return client.Save(p)
}

// loadProfile reads a profile of this user.
func loadProfile(name string) (*client.Profile, error) {
	p, err := client.Load(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	return nil, noProfile(name)
}

// noProfile is a profile that is not there.
func noProfile(name string) error {
	names, _ := client.List()
	return unknown("profile", name, names, "sallyport add FILE adds one that the server printed (sallyport client profile), sallyport pair fetches it")
}

// doorForSSH is the door that ssh goes through, as init calls it.
const doorForSSH = "ssh"

// printAdded says what can be done with a new profile: ssh only where it has a
// door for that, or leaves the choice to the server.
func printAdded(std stdio, p *client.Profile) {
	fmt.Fprintf(std.out, "added the profile %[1]q of %[2]s. Try it:\n\n    sallyport knock %[1]s\n", p.Name, p.Host)
	option := ""
	switch {
	case len(p.Doors) == 0 || p.Doors[0] == doorForSSH:
	case slices.Contains(p.Doors, doorForSSH):
		option = "--door " + doorForSSH + " "
	default:
		fmt.Fprintf(std.out, "\nIt opens the door %q. To open it and connect in one, where a program takes a command for that:\n\n    sallyport proxy %s %s PORT\n",
			p.Doors[0], p.Name, p.Host)
		return
	}
	fmt.Fprintf(std.out, `    sallyport ssh %[3]s%[1]s

To let ssh, scp and rsync knock by themselves, add to ~/.ssh/config:

    Host %[1]s
        HostName %[2]s
        ProxyCommand sallyport proxy %[3]s%[1]s %%h %%p
`, p.Name, p.Host, option)
}

// isURI reports whether an argument is what a QR code holds.
func isURI(source string) bool { return strings.HasPrefix(source, "sallyport:") }

// maxInput is more than anything that is read as a whole may have.
const maxInput = 1 << 16
