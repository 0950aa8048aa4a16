package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/phrase"
)

func newPair(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pair [USER@]HOST",
		Short:   "Fetch a profile and enrol your key, over ssh",
		GroupID: "client",
		Long: `Over an ssh login that works already, it makes the server know your SSH key as a client, fetches
the profile, and adds it. Do this before the door is closed.`,
		Example: "  sallyport pair root@gate.example.org --door ssh",
		Args:    args(cobra.ExactArgs(1)),
	}
	p := pairing{std: std}
	flags := addAskFlags(cmd, std)
	cmd.Flags().StringVar(&p.client, "name", "", "`NAME` of this client on the server (default: you-this-host)")
	cmd.Flags().StringVar(&p.profile, "as", "", "`NAME` of the profile here (default: the first part of its name)")
	cmd.Flags().StringArrayVar(&p.doors, "door", []string{"ssh"}, "a `DOOR` that this client may open (may be repeated)")
	cmd.Flags().BoolVar(&p.sudo, "sudo", false, "use sudo on the server")
	cmd.Flags().BoolVar(&p.replace, "replace", false, "in the place of a profile with the same name")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		p.opts = flags.options()
		return p.run(cmd.Context(), list[0])
	}
	return cmd
}

// pairing makes a server and this client known to each other.
type pairing struct {
	std             stdio
	opts            client.Options
	client, profile string
	doors           []string
	sudo, replace   bool
}

func (p *pairing) run(ctx context.Context, login string) error {
	_, host, _ := cutUser(login)
	if p.client == "" {
		p.client = defaultClient()
	}
	if p.profile == "" {
		p.profile = client.SuggestName(host)
	}
	for _, name := range append([]string{p.client, p.profile}, p.doors...) {
		if !isWord(name) {
			return usageError{fmt.Errorf("%q is not a name: want 1 to 32 characters, a-z 0-9 . _ -; see --name, --as and --door", name)}
		}
	}
	if strings.HasPrefix(login, "-") || host == "" {
		return usageError{fmt.Errorf("%q is not a login: want [USER@]HOST", login)}
	}
	key, err := client.FindKey(ctx, &client.Profile{Name: p.profile}, p.opts)
	if err != nil {
		return err
	}
	add := []string{"client", "add", p.client, "--key", "-"}
	for _, d := range p.doors {
		add = append(add, "--door", d)
	}
	// One login for both, since each may ask for a password.
	text, err := p.remote(ctx, login, key.Authorized+"\n", append(add, "--host", host, "--reuse")...)
	if err != nil {
		return fmt.Errorf("enrol this client as %q: %w", p.client, err)
	}
	profile, err := client.ParseProfile(text)
	if err != nil {
		return fmt.Errorf("%s: %w", login, err)
	}
	profile.Name = p.profile
	if err := saveProfile(profile, p.replace); err != nil {
		return err
	}
	printAdded(p.std, profile)
	return nil
}

// connectPatience is how long ssh waits for a server that says nothing, which is
// one whose door is closed.
const connectPatience = 10 * time.Second

func sshOptions() []string {
	return []string{"-o", fmt.Sprintf("ConnectTimeout=%d", int(connectPatience.Seconds()))}
}

// remote runs sallyport on the server and returns what it prints. What ssh and
// the server have to say to the user goes to standard error.
func (p *pairing) remote(ctx context.Context, login, input string, args ...string) ([]byte, error) {
	command := append([]string{"sallyport"}, args...)
	if p.sudo {
		command = append([]string{"sudo"}, command...)
	}
	var said bytes.Buffer
	note(p.std.err, "logging in by ssh %s; where nothing answers, it gives up after %s", login, phrase.Duration(connectPatience))
	cmd := gently(exec.CommandContext(ctx, "ssh", append(sshOptions(), append([]string{"--", login}, command...)...)...))
	cmd.Stdin, cmd.Stderr = strings.NewReader(input), &said
	out, err := cmd.Output()
	p.std.err.Write(said.Bytes())
	if err == nil {
		return out, nil
	}
	hint := "the login has to work: ssh " + login + "; and sallyport has to be installed there"
	if strings.Contains(strings.ToLower(said.String()), "permission denied") && !p.sudo {
		hint = "if the login works, it has not got the right there: log in as root, or use --sudo"
	}
	return nil, hinted{fmt.Errorf("%s on %s: %w", strings.Join(command[:len(command)-len(args)+2], " "), login, programProblem(err)), hint}
}

// defaultClient is you-this-host, in the characters that names may have.
func defaultClient() string {
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	if u, err := user.Current(); err == nil {
		name = u.Username[strings.LastIndexByte(u.Username, '\\')+1:] + "-" + name
	}
	return client.SuggestName(name)
}
