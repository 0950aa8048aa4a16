package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"sallyport/internal/lab"
)

// chromium speaks the DevTools protocol: JSON that ends with a zero byte.
type chromium struct {
	in      io.Writer
	out     *bufio.Reader
	session string
	next    int
}

// Chromium's own traffic is switched off, and nothing of what pages may do.
var chromiumFlags = []string{
	"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--ignore-certificate-errors", "--remote-debugging-pipe",
}

func startChromium(ctx context.Context, h *lab.Host, kind string, opts Options) (*Browser, error) {
	if err := opts.folder(); err != nil {
		return nil, err
	}
	theirs, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	flags := append(slices.Clone(chromiumFlags), "--user-data-dir="+opts.Profile)
	if opts.Names.IsValid() {
		flags = append(flags, "--host-resolver-rules=MAP * "+opts.Names.String()+", EXCLUDE 127.0.0.1")
	}
	cmd := h.Command(ctx, kind, append(flags, "about:blank")...)
	cmd.ExtraFiles = []*os.File{theirs, theirOut} // 3 and 4, as the flag says
	b, err := run(cmd, opts)
	theirs.Close()
	theirOut.Close()
	if err != nil {
		return nil, err
	}
	if err := out.SetReadDeadline(time.Now().Add(5 * patience)); err != nil {
		return nil, err
	}
	c := &chromium{in: in, out: bufio.NewReader(out)}
	b.driver = c
	return b, c.attach()
}

// call sends a command and returns its result.
func (c *chromium) call(method string, params, result any) error {
	c.next++
	id := c.next
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": c.session})
	if c.session == "" {
		text, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err != nil {
		return err
	}
	if _, err := c.in.Write(append(text, 0)); err != nil {
		return err
	}
	for {
		line, err := c.out.ReadBytes(0)
		if err != nil {
			return err
		}
		var reply struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := json.Unmarshal(line[:len(line)-1], &reply); err != nil {
			return err
		}
		switch {
		case reply.ID != id: // an event
		case reply.Error != nil:
			return fmt.Errorf("%s: %s", method, reply.Error.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(reply.Result, result)
		}
	}
}

// attach takes the first window.
func (c *chromium) attach() error {
	var list struct {
		TargetInfos []struct{ TargetID, Type string }
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := c.call("Target.getTargets", nil, &list); err != nil {
			return err
		}
		for _, t := range list.TargetInfos {
			if t.Type == "page" {
				var attached struct{ SessionID string }
				err := c.call("Target.attachToTarget", map[string]any{"targetId": t.TargetID, "flatten": true}, &attached)
				c.session = attached.SessionID
				return err
			}
		}
	}
	return errors.New("there is no window")
}

func (c *chromium) Open(url string) error {
	var result struct{ ErrorText string }
	if err := c.call("Page.navigate", map[string]any{"url": url}, &result); err != nil {
		return err
	}
	if result.ErrorText != "" {
		return fmt.Errorf("open %s: %s", url, result.ErrorText)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if v, err := c.eval("document.readyState"); err == nil && string(v) == `"complete"` {
			return nil
		}
	}
	return fmt.Errorf("open %s: it is not read to its end", url)
}

func (c *chromium) eval(expression string) (json.RawMessage, error) {
	var result struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	err := c.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &result)
	if err == nil && result.ExceptionDetails != nil {
		err = errors.New(result.ExceptionDetails.Exception.Description)
	}
	if len(result.Result.Value) == 0 {
		result.Result.Value = json.RawMessage("null")
	}
	return result.Result.Value, err
}

func (c *chromium) Click(selector string) error {
	v, err := c.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'});
		const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, quote(selector)))
	if err != nil {
		return fmt.Errorf("click %s: %w", selector, err)
	}
	var at [2]float64
	if err := json.Unmarshal(v, &at); err != nil {
		return err
	}
	for _, what := range []string{"mousePressed", "mouseReleased"} {
		if err := c.call("Input.dispatchMouseEvent", map[string]any{"type": what, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (c *chromium) Screenshot(width int, dark bool) ([]byte, error) {
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	if err := c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil); err != nil {
		return nil, err
	}
	if err := c.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false}, nil); err != nil {
		return nil, err
	}
	height, err := c.eval("document.documentElement.scrollHeight")
	if err != nil {
		return nil, err
	}
	h, err := strconv.Atoi(string(height))
	if err != nil {
		return nil, err
	}
	var shot struct{ Data string }
	clip := map[string]any{"x": 0, "y": 0, "width": width, "height": h, "scale": 1}
	if err := c.call("Page.captureScreenshot", map[string]any{"clip": clip, "captureBeyondViewport": true}, &shot); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(shot.Data)
}

func (c *chromium) AddAuthenticator() error {
	if err := c.call("WebAuthn.enable", nil, nil); err != nil {
		return err
	}
	return c.call("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
		"isUserVerified": true, "automaticPresenceSimulation": true,
	}}, nil)
}

func (c *chromium) Heap() (float64, error) {
	if err := c.call("HeapProfiler.collectGarbage", nil, nil); err != nil {
		return 0, err
	}
	var heap struct{ UsedSize float64 }
	err := c.call("Runtime.getHeapUsage", nil, &heap)
	return heap.UsedSize, err
}

func (c *chromium) quit() error {
	c.session = ""
	return c.call("Browser.close", nil, nil)
}
