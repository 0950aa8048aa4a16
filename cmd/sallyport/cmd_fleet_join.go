//go:build linux && !client_only

package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/desk"
	"sallyport/internal/fleet/kept"
	"sallyport/internal/fleet/roll"
	"sallyport/internal/sender"
)

func newFleetJoin(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join INVITATION | -",
		Short: "Make this gate one of a fleet, with the invitation for it",
		Long: `Makes a key for this gate, asks the fleet's operators to let it in, and writes conf.d/fleet.toml, with which the
daemon follows the fleet. The gate's own clients and doors stay as they are, and win over the fleet's where they
have the same name.

The certificate by which etcd knows the gate comes from those who run etcd; its common name is the name of the user
there. The gate gives nothing to clients of the fleet until it is approved, and the daemon started again.

An invitation that is read from standard input (-) leaves nobody to ask: say --yes, and compare the fleet that
is printed with what "sallyport fleet status" says where the operator is.`,
		Example: `  sallyport fleet join - --yes --address 203.0.113.1 \
      --cert /etc/sallyport/etcd.pem --key /etc/sallyport/etcd.key`,
		Args: args(cobra.ExactArgs(1)),
	}
	j := admitting{std: std, wait: durationFlag(time.Minute)}
	path := configFlag(cmd)
	cmd.Flags().StringVar(&j.cert, "cert", "", "`FILE` with the certificate by which etcd knows this gate")
	cmd.Flags().StringVar(&j.certKey, "key", "", "`FILE` with its key")
	cmd.Flags().StringArrayVar(&j.addresses, "address", nil, "an `ADDRESS` or host name by which clients reach this gate (may be repeated)")
	cmd.Flags().Var(&j.wait, "wait", "how long to wait for an operator; the gate goes on asking without this command")
	cmd.Flags().BoolVarP(&j.sure, "yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		j.path = *path
		text, err := argumentOrInput(std.in, list[0])
		if err != nil {
			return err
		}
		return j.run(cmd.Context(), text)
	}
	return cmd
}

// admitting makes this gate ask to be let into a fleet.
type admitting struct {
	std           stdio
	path          string
	cert, certKey string
	addresses     []string
	wait          durationFlag
	sure          bool

	cfg    *config.Config
	invite *admission.Invitation
}

func (j *admitting) run(ctx context.Context, text string) (err error) {
	if j.invite, err = admission.Parse(text); err != nil {
		return usageError{err}
	}
	if !time.Now().Before(j.invite.Until) {
		return hinted{fmt.Errorf("this invitation has ended on %s", j.invite.Until.Local().Format(time.DateTime)), "ask an operator for another one: sallyport fleet invite " + j.invite.Gate}
	}
	if j.cfg, err = loadConfig(j.path); err != nil {
		return err
	}
	if err := j.possible(); err != nil {
		return err
	}
	gate, err := j.gate()
	if err != nil {
		return err
	}
	if err := j.agreed(ctx); err != nil {
		return err
	}
	return j.join(ctx, gate)
}

// possible refuses what cannot become a gate of the fleet.
func (j *admitting) possible() error {
	name := j.cfg.Gate.Name
	switch {
	case j.cfg.Fleet.On():
		return hinted{errors.New("this gate belongs to a fleet already"), "sallyport fleet status shows it; sallyport fleet leave leaves it"}
	case name != "" && name != j.invite.Gate:
		return hinted{fmt.Errorf("the invitation is for gate %q, and this one is called %q", j.invite.Gate, name), "ask for one for this name: sallyport fleet invite " + name}
	case len(j.invite.CA) > 0 && (j.cert == "" || j.certKey == ""):
		return usageError{hinted{errors.New("--cert and --key are needed: by them etcd knows this gate"), "those who run etcd make them: sallyport fleet etcd-commands " + j.invite.Gate + " shows how"}}
	case len(j.invite.CA) == 0 && j.cert+j.certKey != "":
		return usageError{errors.New("--cert and --key mean nothing here: etcd is on this host, without TLS")}
	case j.cfg.SPA.Port == 0:
		return hinted{errors.New("SPA is off on this gate, and clients of a fleet knock with messages"), "set port in [spa], such as 40321, then: sallyport reload"}
	}
	for i, a := range j.addresses {
		if err := checkHost(a); err != nil {
			return err
		}
		j.addresses[i], _ = sender.ASCII(a) // as checkHost has done
	}
	return nil
}

// gate describes this gate, with its key, which it makes if there is none.
func (j *admitting) gate() (roll.Gate, error) {
	ring, err := loadServerKey(j.cfg)
	if err != nil {
		return roll.Gate{}, err
	}
	return roll.Gate{Name: j.invite.Gate, Server: serverKeys(ring), Port: j.cfg.SPA.Port, Addresses: j.addresses, Groups: j.invite.Groups, Skew: j.cfg.SPA.ClockSkew, Shape: j.cfg.Rotating.Shape}, nil
}

// agreed shows what the invitation leads to, and asks.
func (j *admitting) agreed(ctx context.Context) error {
	fmt.Fprintf(j.std.err, "fleet        %s\nat           entry %d\netcd         %s\nthis gate    %s\ngroups       %s\n", j.invite.Fleet, j.invite.Head.Number,
		strings.Join(j.invite.Endpoints, ", "), j.invite.Gate, orDash(strings.Join(j.invite.Groups, ", ")))
	if j.cfg.Gate.Name == "" {
		for i := range j.cfg.Clients {
			if !j.cfg.Clients[i].Rotating.Current.IsZero() {
				warn(j.std.err, "this gate gets a name, which goes into rotating sequences: clients that knock them need new profiles (sallyport client profile)")
				break
			}
		}
	}
	if j.sure {
		return nil
	}
	if !j.std.asks() {
		return hinted{errors.New("there is nobody to ask whether that is the right fleet"), "compare it with what an operator says, then: sallyport fleet join --yes"}
	}
	yes, err := newDialog(ctx, j.std).yes("Make this gate one of that fleet?", false)
	if err == nil && !yes {
		err = hinted{errors.New("not joined"), "nothing was sent and nothing was written"}
	}
	return err
}

// join asks the operators, writes the configuration, and waits.
func (j *admitting) join(ctx context.Context, gate roll.Gate) error {
	folder := kept.Of(j.cfg.Daemon.StateDir)
	private, err := folder.Key()
	if errors.Is(err, fs.ErrNotExist) {
		private, err = folder.MakeKey()
	}
	if err != nil {
		return advise(err)
	}
	gate.Key = private.Public().(ed25519.PublicKey)
	ca, err := j.authorities()
	if err != nil {
		return err
	}
	file, text, err := j.toml(ca)
	if err != nil {
		return err
	}
	cfg, err := loadWith(j.path, file, text)
	if err != nil {
		return fmt.Errorf("join the fleet: %w", err)
	}
	s, _, err := desk.Connect(desk.File{Endpoints: cfg.Fleet.Endpoints, CA: cfg.Fleet.CA, Cert: cfg.Fleet.Cert, Key: cfg.Fleet.Key})
	if err != nil {
		return advise(err)
	}
	defer s.Close()
	if err := desk.Ask(ctx, s, &admission.Request{Fleet: j.invite.Fleet, Gate: gate}, private, j.invite.Key()); err != nil {
		return gateAdvice(gate.Name, err)
	}
	if err := folder.SetPin(j.invite.Head); err != nil {
		return advise(err)
	}
	fmt.Fprintf(j.std.out, "gate %q, with the key %s, asks to be let in; an operator says: sallyport fleet approve %s\n", gate.Name, fingerprint(gate.Key), gate.Name)
	if err := writeBeside(j.path, file, text); err != nil {
		return advise(fmt.Errorf("join the fleet: %w", err))
	}
	if err := reloadIfRunning(ctx, j.std.out, cfg, false); err != nil {
		return errors.Join(fmt.Errorf("join the fleet: %w", err), os.Remove(file))
	}
	return awaitGate(ctx, j.std, s, j.invite.Head, gate, time.Duration(j.wait))
}

// authorities writes the certificates of etcd's servers beside the configuration, and
// returns where; empty: there are none.
func (j *admitting) authorities() (string, error) {
	if len(j.invite.CA) == 0 {
		return "", nil
	}
	abs, err := filepath.Abs(j.path)
	if err != nil {
		return "", err
	}
	file := filepath.Join(filepath.Dir(abs), "fleet-ca.pem")
	if text, err := os.ReadFile(file); err == nil && bytes.Equal(text, j.invite.CA) {
		return file, nil
	}
	if err := writeBeside(j.path, file, j.invite.CA); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return "", hinted{fmt.Errorf("%s is there, with other certificates than the invitation's", file), "if it is of another fleet, move it away"}
		}
		return "", advise(err)
	}
	return file, nil
}

// toml is the file that makes the daemon follow the fleet.
func (j *admitting) toml(ca string) (file string, text []byte, err error) {
	abs, err := filepath.Abs(j.path)
	if err != nil {
		return "", nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by sallyport fleet join on %s.\n\n", time.Now().Format(time.DateOnly))
	if j.cfg.Gate.Name == "" {
		fmt.Fprintf(&b, "[gate]\nname = %s\n\n", config.Quote(j.invite.Gate))
	}
	fmt.Fprintf(&b, "[fleet]\nendpoints = [%s]\n", quoted(j.invite.Endpoints))
	if ca != "" {
		for _, l := range [][2]string{{"ca", ca}, {"cert", j.cert}, {"key", j.certKey}} {
			path, err := filepath.Abs(l[1])
			if err != nil {
				return "", nil, err
			}
			fmt.Fprintf(&b, "%s = %s\n", l[0], config.Quote(path))
		}
	}
	return filepath.Join(filepath.Dir(abs), "conf.d", "fleet.toml"), b.Bytes(), nil
}
