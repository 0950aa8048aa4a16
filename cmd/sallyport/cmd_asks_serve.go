//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/console/asks"
	"sallyport/internal/daemon/manager"
)

func newAsksServe(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a page on which people who have nothing ask to be let in",
		Long: `Serves one form, without scripts, until it is stopped. Who fills it in gets six letters to say to an operator; "sallyport
approve" lets in the address that has asked. It is a process of its own that can do nothing but ask: run it as a
user of its own, which the daemon knows by [api] ask.

Where it is served is your choice: it is reachable for strangers there. Anywhere but on a loopback address it
needs a certificate. Behind a reverse proxy, name the proxy's address with --proxy: then nobody else can use it, and the last
address in X-Forwarded-For is where a person comes from.`,
		Example: `  sallyport asks serve --listen [::]:443 --tls-cert a.crt --tls-key a.key
  sallyport asks serve --listen 127.0.0.1:9479 --proxy 127.0.0.1`,
		Args: args(cobra.NoArgs),
	}
	path := configFlag(cmd)
	var place asks.Place
	cmd.Flags().StringVar(&place.Address, "listen", "127.0.0.1:9479", "`ADDRESS` and port")
	cmd.Flags().StringVar(&place.Cert, "tls-cert", "", "`FILE` with the certificate, as PEM")
	cmd.Flags().StringVar(&place.Key, "tls-key", "", "`FILE` with its key, as PEM")
	proxies := cmd.Flags().StringArray("proxy", nil, "an address or prefix of a reverse `PROXY` that says where people come from; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		trusted, err := trustedProxies(*proxies)
		if err != nil {
			return usageError{err}
		}
		if err := checkPlace(place); err != nil {
			return usageError{err}
		}
		conn, err := dial(*path)
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(std.err, nil))
		if os.Geteuid() == 0 {
			log.Warn("this runs as root, and needs no more than a user of its own, with [api] ask in the configuration of the daemon")
		}
		return advise(asks.New(conn, trusted, log).Serve(cmd.Context(), place, func(at net.Addr) {
			log.Info("people can ask to be let in", "address", at.String(), "tls", place.Cert != "")
			manager.New(os.Getenv, log).Notify("READY=1")
		}))
	}
	return cmd
}

// trustedProxies reads addresses and prefixes.
func trustedProxies(words []string) (list []netip.Prefix, err error) {
	for _, word := range words {
		p, err := netip.ParsePrefix(word)
		if err != nil {
			a, wrong := netip.ParseAddr(word)
			if wrong != nil || a.Zone() != "" {
				return nil, fmt.Errorf("--proxy %q: want an address or a prefix, such as 127.0.0.1 or 10.0.0.0/29", word)
			}
			a = a.Unmap()
			p = netip.PrefixFrom(a, a.BitLen())
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// checkPlace refuses to send codes where others could read them.
func checkPlace(p asks.Place) error {
	at, err := netip.ParseAddrPort(p.Address)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q: want an address and a port, such as 127.0.0.1:9479", p.Address)
	case (p.Cert == "") != (p.Key == ""):
		return errors.New("--tls-cert and --tls-key go together: give both")
	case p.Cert == "" && !at.Addr().IsLoopback():
		return hinted{errors.New("without TLS the codes could be overheard"), "give --tls-cert and --tls-key, or listen on a loopback address behind a proxy"}
	}
	return nil
}
