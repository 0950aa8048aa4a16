//go:build linux && !client_only

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/client"
	"sallyport/internal/inert"
	"sallyport/internal/page"
)

// onLoopback is where a page is served to try it: nobody else can fetch it.
const onLoopback = "127.0.0.1:8022"

func newPage(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "page [--with FILE|-] [--serve[=ADDRESS:PORT]]",
		Short:   "Print the page with which any browser knocks",
		GroupID: "server",
		Long: `Prints one HTML file that opens doors from a browser, without an app: serve it by https from any web
server that serves nothing else, or save it on a phone. It sends no request to anywhere. Gates are
added in the browser, by the links that "sallyport client profile NAME --host ADDRESS --page" prints.

With --with the file holds a gate, and its secret: keep it as you keep the profile.`,
		Example: `  sallyport page > knock.html
  sallyport client profile bob --host 203.0.113.1 --page |
      sallyport page --with - > bob.html
  sallyport page --serve`,
		Args: args(cobra.NoArgs),
	}
	with := cmd.Flags().StringArray("with", nil, "put the gate of this profile or link `FILE` (-: standard input) into the file (may be repeated)")
	serve := cmd.Flags().String("serve", "", "serve the page at `ADDRESS:PORT` until Ctrl-C, to try it (default "+onLoopback+")")
	cmd.Flags().Lookup("serve").NoOptDefVal = onLoopback
	cmd.PreRunE = noneEmpty
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts := page.Options{Made: time.Now()}
		for _, source := range *with {
			text, err := readInput(std.in, source)
			if err != nil {
				return err
			}
			gate, err := forPage(string(text))
			if err != nil {
				return fmt.Errorf("--with %s: %w", source, err)
			}
			opts.Profiles = append(opts.Profiles, gate)
		}
		html, err := page.HTML(opts)
		if err != nil {
			return err
		}
		if *serve == "" {
			_, err = std.out.Write(html)
			return err
		}
		at, err := netip.ParseAddrPort(*serve)
		if err != nil {
			return usageError{hinted{fmt.Errorf("--serve %s is no address with a port", inert.Text(*serve)), "for example --serve=127.0.0.1:8022, or --serve=[::1]:8022"}}
		}
		return servePage(cmd.Context(), std, at, html)
	}
	return cmd
}

// forPage checks a profile or a link, and returns the text that the page reads.
func forPage(text string) (string, error) {
	text = strings.TrimSpace(text)
	var host string
	if _, link, found := strings.Cut(text, uriOfPage); found {
		text = uriOfPage + link
		host, _, _ = strings.Cut(link, "?")
		host = strings.Trim(host, "[]")
	} else {
		p, err := client.ParseProfile([]byte(text + "\n"))
		if err != nil {
			return "", hinted{err, "the server prints a right one: sallyport client profile"}
		}
		host = p.Host
	}
	_, err := addressForPage(host)
	return text, err
}

const uriOfPage = "sallyport://"

// servePage serves the page at "/", and nothing else.
func servePage(ctx context.Context, std stdio, address netip.AddrPort, html []byte) error {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
	if call := (*os.SyscallError)(nil); errors.As(err, &call) { // net says "listen tcp" and "bind" before it
		err = call.Err
	}
	if err != nil {
		return hinted{fmt.Errorf("serve the page at %s: %w", address, err), "name an address of this machine, and a port at which no other program listens"}
	}
	at := listener.Addr().(*net.TCPAddr).AddrPort()
	server := &http.Server{
		Handler:           pageHandler(at, html),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}
	fmt.Fprintf(std.err, "the page is at http://%s/ until Ctrl-C\n", at)
	if !at.Addr().IsLoopback() {
		fmt.Fprintln(std.err, "note: by plain http browsers offer no cryptography except on this machine: for other devices serve the file by https")
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the page: %w", err)
	}
	return nil
}

// pageHandler answers only requests for this very address: a page of others
// whose name was made to lead here would else read what the file holds.
func pageHandler(at netip.AddrPort, html []byte) http.Handler {
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(html)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		localhost := at.Addr().IsLoopback() && r.Host == fmt.Sprintf("localhost:%d", at.Port())
		if r.URL.Path != "/" || !at.Addr().IsUnspecified() && r.Host != at.String() && !localhost {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		_, _ = w.Write(html) // a browser that has gone away needs no page
	})
}
