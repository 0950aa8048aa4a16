package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/lab"
)

// firefox speaks Marionette: JSON with its length and a colon before it.
type firefox struct {
	conn net.Conn
	in   *bufio.Reader
	next int
}

// What automation usually switches off stays on, as in everybody's browser;
// Firefox's own traffic is off. Certificates of tests are good for passkeys.
const firefoxPrefs = `user_pref("remote.prefs.recommended", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.normandy.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("security.webauthn.allow_with_certificate_override", true);
user_pref("security.webauth.webauthn_enable_softtoken", true);
user_pref("security.webauth.webauthn_enable_usbtoken", false);
user_pref("network.connectivity-service.enabled", false);
`

// marionette is where Firefox listens, if nobody says otherwise.
const marionette = "127.0.0.1:2828"

func startFirefox(ctx context.Context, h *lab.Host, kind string, opts Options) (*Browser, error) {
	if err := opts.folder(); err != nil {
		return nil, err
	}
	prefs := firefoxPrefs + strings.Join(opts.Prefs, "\n") + "\n"
	if opts.Names.IsValid() {
		prefs += fmt.Sprintf("user_pref(\"network.dns.forceResolve\", %q);\n", opts.Names)
	}
	if err := os.WriteFile(filepath.Join(opts.Profile, "user.js"), []byte(prefs), 0o600); err != nil {
		return nil, err
	}
	b, err := run(h.Command(ctx, kind, "--headless", "--marionette", "--no-remote", "--profile", opts.Profile), opts)
	if err != nil {
		return nil, err
	}
	f := &firefox{}
	b.driver = f
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if f.conn, err = h.Dial(ctx, "tcp", marionette); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
	f.in = bufio.NewReader(f.conn)
	if err := f.conn.SetDeadline(time.Now().Add(5 * patience)); err != nil {
		return nil, err
	}
	if _, err := f.read(); err != nil { // who it is
		return nil, err
	}
	return b, f.call("WebDriver:NewSession", map[string]any{"acceptInsecureCerts": true}, nil)
}

func (f *firefox) read() ([]byte, error) {
	length, err := f.in.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil, err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(f.in, text)
	return text, err
}

// call sends a command and returns its result.
func (f *firefox) call(method string, params map[string]any, result any) error {
	f.next++
	if params == nil {
		params = map[string]any{}
	}
	text, err := json.Marshal([]any{0, f.next, method, params})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f.conn, "%d:%s", len(text), text); err != nil {
		return err
	}
	if text, err = f.read(); err != nil {
		return err
	}
	var reply [4]json.RawMessage
	if err := json.Unmarshal(text, &reply); err != nil {
		return err
	}
	var failed *struct{ Error, Message string }
	if err := json.Unmarshal(reply[2], &failed); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%s: %s: %s", method, failed.Error, failed.Message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(reply[3], result)
}

func (f *firefox) Open(url string) error {
	return f.call("WebDriver:Navigate", map[string]any{"url": url}, nil)
}

func (f *firefox) eval(expression string) (json.RawMessage, error) {
	var result struct{ Value json.RawMessage }
	err := f.call("WebDriver:ExecuteScript", map[string]any{"script": "return (" + expression + ");", "args": []any{}}, &result)
	return result.Value, err
}

func (f *firefox) Click(selector string) error {
	var found struct{ Value map[string]string }
	if err := f.call("WebDriver:FindElement", map[string]any{"using": "css selector", "value": selector}, &found); err != nil {
		return err
	}
	for _, id := range found.Value {
		return f.call("WebDriver:ElementClick", map[string]any{"id": id}, nil)
	}
	return nil
}

func (f *firefox) Screenshot(width int, _ bool) ([]byte, error) {
	if err := f.call("WebDriver:SetWindowRect", map[string]any{"width": width, "height": 800}, nil); err != nil {
		return nil, err
	}
	var shot struct{ Value string }
	if err := f.call("WebDriver:TakeScreenshot", map[string]any{"full": true}, &shot); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Value)
}

func (f *firefox) AddAuthenticator() error {
	return f.call("WebAuthn:AddVirtualAuthenticator", map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
		"isUserConsenting": true, "isUserVerified": true,
	}, nil)
}

func (f *firefox) Heap() (float64, error) {
	return 0, errors.New("firefox: the driver has no command that measures the heap")
}

func (f *firefox) quit() error {
	return f.call("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}}, nil)
}
