// Package browser drives real browsers on hosts of a lab: Chromium by the DevTools
// protocol over a pipe, Firefox by Marionette. It does what a person does (opens
// pages, clicks, looks), with no driver but the browser itself.
package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/lab"
)

// Kinds are the browsers that can be driven, by the names of their programs.
var Kinds = []string{"chromium", "firefox-esr"}

// Options say how a browser is started.
type Options struct {
	Profile string     // folder that lasts from one start to the next
	Prefs   []string   // lines of Firefox's user.js
	Env     []string   // more environment
	Names   netip.Addr // where every host name leads to, of the browser's own traffic too; zero: as the host resolves it
}

// Browser is a browser with one window. It is for one goroutine at a time.
type Browser struct {
	driver
	cmd   *lab.Cmd
	ended chan struct{}
}

// driver is what differs between browsers.
type driver interface {
	// Open loads a page and waits until it has been read.
	Open(url string) error
	// eval returns the value of an expression as JSON.
	eval(expression string) (json.RawMessage, error)
	// Click clicks the middle of the first element that the selector names.
	Click(selector string) error
	// Screenshot returns the whole page as PNG, in a window of that width.
	Screenshot(width int, dark bool) ([]byte, error)
	// AddAuthenticator gives the window a device for passkeys, whose user always says yes.
	AddAuthenticator() error
	// Heap returns how many bytes the page's scripts hold, after a collection.
	Heap() (float64, error)
	quit() error
}

// patience is how long a browser may take on a busy machine.
const patience = time.Minute

// Start starts a browser on a host. The context ends it.
func Start(ctx context.Context, h *lab.Host, kind string, opts Options) (*Browser, error) {
	start := startChromium
	if strings.HasPrefix(kind, "firefox") {
		start = startFirefox
	}
	b, err := start(ctx, h, kind, opts)
	if err != nil {
		return nil, fmt.Errorf("start %s on host %q: %w", kind, h.Name, err)
	}
	return b, nil
}

// run starts the program.
func run(cmd *lab.Cmd, opts Options) (*Browser, error) {
	cmd.Env = append(append(os.Environ(), "HOME="+opts.Profile), opts.Env...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &Browser{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // a browser that is killed has nothing to say
		close(b.ended)
	}()
	return b, nil
}

// Close ends the browser as a user does, so that it writes what it keeps.
func (b *Browser) Close() error {
	err := b.quit()
	select {
	case <-b.ended:
		return nil // the connection has ended with it
	case <-time.After(patience):
		return errors.Join(err, b.cmd.Process.Kill(), errors.New("the browser does not end"))
	}
}

// Eval puts the value of an expression into v.
func (b *Browser) Eval(expression string, v any) error {
	value, err := b.eval(expression)
	if err != nil {
		return fmt.Errorf("evaluate %.60s: %w", expression, err)
	}
	return json.Unmarshal(value, v)
}

// Wait waits until an expression is true. An error counts when it stays: while a page
// takes another's place nothing can be evaluated.
func (b *Browser) Wait(expression string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var ok bool
		err := b.Eval("!!("+expression+")", &ok)
		switch {
		case ok:
			return nil
		case err != nil && !strings.Contains(err.Error(), "navigated"):
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("never true: %s\nthe page says:\n%s", expression, b.Text("body"))
		}
	}
}

// Text returns the text of an element as it is seen; "" if there is none.
func (b *Browser) Text(selector string) string {
	var text string
	if err := b.Eval(fmt.Sprintf("document.querySelector(%s)?.innerText || ''", quote(selector)), &text); err != nil {
		return err.Error()
	}
	return text
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string
	}
	return string(b)
}

// folder makes the profile's folder.
func (o Options) folder() error {
	return os.MkdirAll(filepath.Join(o.Profile, "cache"), 0o700)
}
