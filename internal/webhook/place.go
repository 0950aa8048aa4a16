package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"sallyport/internal/config"
	"sallyport/internal/event"
	"sallyport/internal/siem"
)

const (
	queueSize = 256 // events on their way to the disk

	firstPause = time.Second
	lastPause  = 5 * time.Minute

	maxToken = 4096 // bytes
)

// place is one that is told. Its goroutine does all but put.
type place struct {
	config  config.Webhook
	product siem.Product
	failed  func(event.Event)
	log     *slog.Logger
	queue   chan event.Event
	spool   *spool
	mirror  *mirror // nil: it is told of events
	look    time.Duration
	client  http.Client
	end     func()
	done    chan struct{} // closed when run has returned; nil: it has not begun
	before  chan struct{} // done of the one whose folder this one takes over; nil: there is none

	first time.Duration // pause after the first failure
	pause time.Duration // before the next try; 0: the last one succeeded
	next  time.Time     // when that is
	told  bool          // that it cannot be reached
}

// put takes an event, if the place wants it. A place that is so slow that the
// disk cannot be reached either loses it.
func (p *place) put(e event.Event) {
	if p.mirror != nil {
		p.mirror.put(e)
		return
	}
	if !Wants(p.config, e) {
		return
	}
	select {
	case p.queue <- e:
	default:
		p.log.Warn("a webhook was not told of an event: too many are waiting", "webhook", p.config.Place.String())
	}
}

func (p *place) run(ctx context.Context) {
	defer p.client.CloseIdleConnections()
	if p.before != nil {
		<-p.before // it has been told to end, and puts on the disk what it has left
	}
	if p.mirror != nil {
		p.reflect(ctx)
		return
	}
	p.spool.load()
	for {
		var due <-chan time.Time
		if p.spool.len() > 0 {
			due = time.After(time.Until(p.next))
		}
		select {
		case <-ctx.Done():
			p.keepRest()
			return
		case e := <-p.queue:
			p.keep(e)
		case <-due:
			p.send(ctx)
		}
	}
}

// keepRest puts what is left in the queue on the disk.
func (p *place) keepRest() {
	for {
		select {
		case e := <-p.queue:
			p.keep(e)
		default:
			return
		}
	}
}

// keep makes an event's message and puts it in line.
func (p *place) keep(e event.Event) {
	text, err := message(p.config, p.product, e)
	if err != nil {
		p.failed(given(p.config, "an event was not told", err))
		return
	}
	if lost := p.spool.add(text); lost > 0 {
		p.failed(given(p.config, fmt.Sprintf("%d messages given up", lost), errors.New("too many are waiting")))
	}
}

// send tries to send the first message in line.
func (p *place) send(ctx context.Context) {
	text, err := p.spool.first()
	if err != nil {
		p.spool.drop()
		p.failed(given(p.config, "a message was lost", err))
		return
	}
	err = p.post(ctx, text)
	var wrong *wrongMessage
	switch {
	case ctx.Err() != nil:
	case err == nil:
		p.spool.drop()
		if p.told {
			p.log.Info("a webhook can be reached again", "webhook", p.config.Place.String())
		}
		p.pause, p.told = 0, false
	case errors.As(err, &wrong):
		p.spool.drop()
		p.pause = 0
		p.failed(given(p.config, "a message given up", err))
	default:
		p.pause = min(max(2*p.pause, p.first), lastPause)
		p.next = time.Now().Add(p.pause)
		if !p.told {
			p.told = true
			p.log.Warn("a webhook cannot be reached: messages wait", "webhook", p.config.Place.String(), "error", err)
		}
	}
}

// wrongMessage is an answer that trying again would not change.
type wrongMessage struct {
	status string
	code   int
}

func (w *wrongMessage) Error() string { return "the answer was " + w.status }

func (p *place) post(ctx context.Context, text []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.config.URL, bytes.NewReader(text))
	if err != nil {
		return withoutURL(err)
	}
	p.describe(request.Header)
	request.Header.Set("User-Agent", "sallyport/"+p.product.Version)
	if p.config.TokenFile != "" {
		token, err := readToken(p.config.TokenFile)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10) // so that the connection can be used again
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests:
		return &wrongMessage{response.Status, status}
	}
	return errors.New("the answer was " + response.Status)
}

// describe says what a message is. What ntfy shows beside the text goes into headers
// (docs.ntfy.sh/publish).
func (p *place) describe(h http.Header) {
	if p.config.Format != "ntfy" {
		h.Set("Content-Type", "application/json")
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	title := "Sallyport"
	if p.product.Host != "" {
		title += " on " + p.product.Host
	}
	h.Set("Title", title)
	if p.config.Link != "" {
		h.Set("Click", p.config.Link)
	}
}

// withoutURL leaves the address out of an error: it may hold a secret.
func withoutURL(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// readToken reads the token again each time, so that it can be changed.
func readToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("read the token: everybody may use %s: run chmod o-rwx %s", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxToken))
	token := strings.TrimSpace(string(text))
	if err == nil && (token == "" || strings.ContainsAny(token, "\r\n\x00")) {
		err = fmt.Errorf("want one line in %s", path)
	}
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return token, nil
}
