// Package sntp asks a time server how far off this clock is (SNTP, RFC 4330).
// An answer counts only if it repeats what was asked, and nothing is set by it.
package sntp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// Offset asks a time server, "host" or "host:port", by how much this clock is
// behind: one packet, and one more if that is lost.
func Offset(ctx context.Context, server string) (time.Duration, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		host, port = server, "123"
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(host, port))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	for range 2 {
		var offset time.Duration
		if offset, err = askTime(conn, time.Second); err == nil {
			return offset, nil
		}
	}
	return 0, err
}

const size = 48

// askTime sends one request. The answer has to repeat its time stamp, so that
// nobody who has not seen the request can set our mind about the clock.
func askTime(conn net.Conn, timeout time.Duration) (time.Duration, error) {
	start := time.Now()
	request := make([]byte, size)
	request[0] = 4<<3 | 3 // version 4, client
	binary.BigEndian.PutUint64(request[40:], ntpTime(start))
	conn.SetDeadline(start.Add(timeout))
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	for {
		answer := make([]byte, 512)
		n, err := conn.Read(answer)
		if err != nil {
			return 0, err
		}
		took := time.Since(start)
		if n >= size && [8]byte(answer[24:]) == [8]byte(request[40:]) {
			return readTime(answer, start, took)
		}
	}
}

// readTime computes the offset from an answer: the mean of what its two time
// stamps say, so that the way there and back cancels out.
func readTime(answer []byte, start time.Time, took time.Duration) (time.Duration, error) {
	mode, leap, stratum := answer[0]&7, answer[0]>>6, answer[1]
	if mode != 4 || leap == 3 || stratum == 0 || stratum > 15 {
		return 0, fmt.Errorf("the time server does not know the time itself (stratum %d)", stratum)
	}
	received, sent := goTime(binary.BigEndian.Uint64(answer[32:])), goTime(binary.BigEndian.Uint64(answer[40:]))
	if received.IsZero() || sent.IsZero() {
		return 0, errors.New("the answer holds no time")
	}
	return (received.Sub(start) + sent.Sub(start.Add(took))) / 2, nil
}

// ntpEpoch is 1970 in NTP's seconds since 1900. The seconds begin again in
// 2036; a first bit of 0 means after that.
const ntpEpoch = 2208988800

func ntpTime(t time.Time) uint64 {
	seconds := uint64(t.Unix()) + ntpEpoch
	return seconds<<32 | uint64(t.Nanosecond())<<32/1e9
}

func goTime(ntp uint64) time.Time {
	if ntp == 0 {
		return time.Time{}
	}
	seconds := int64(ntp >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	return time.Unix(seconds-ntpEpoch, int64(ntp&0xffffffff*1e9>>32))
}
