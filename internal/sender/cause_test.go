package sender

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What package net says of its own doings is not for users; what it means stays.
func TestCause(t *testing.T) {
	dialed := &net.OpError{Op: "dial", Net: "udp", Addr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:7000")), Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
	for _, tt := range []struct {
		err  error
		want string
		is   error
	}{
		{dialed, syscall.ENETUNREACH.Error(), syscall.ENETUNREACH},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}, "there is no such name", nil},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "x"}}, "no name server answers", nil},
		{&net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}, "no answer in time", os.ErrDeadlineExceeded},
		{&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("missing address")}, "missing address", nil},
		{context.Canceled, context.Canceled.Error(), context.Canceled},
		{nil, "", nil},
	} {
		got := Cause(tt.err)
		if tt.err == nil {
			if got != nil {
				t.Errorf("nothing became %v", got)
			}
			continue
		}
		if got.Error() != tt.want || tt.is != nil && !errors.Is(got, tt.is) {
			t.Errorf("%v became %q, want %q", tt.err, got, tt.want)
		}
	}
	// A real one: nothing listens at a socket that has just been closed.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	l.Close()
	_, err = (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", l.Addr().String())
	if text := Cause(err).Error(); err == nil || strings.Contains(text, "dial") || strings.Contains(text, "connect:") {
		t.Errorf("%v became %q", err, text)
	}
}
