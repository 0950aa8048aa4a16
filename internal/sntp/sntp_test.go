package sntp

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
)

// timeServer answers SNTP requests with what reply makes of them.
func timeServer(t *testing.T, reply func(request []byte) [][]byte) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 100)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, answer := range reply(buf[:n]) {
				conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return conn.LocalAddr().String()
}

// timeAnswer is a right answer from a clock that is ahead.
func timeAnswer(request []byte, ahead time.Duration) []byte {
	answer := make([]byte, size)
	answer[0], answer[1] = 4<<3|4, 2
	copy(answer[24:32], request[40:48])
	binary.BigEndian.PutUint64(answer[32:], ntpTime(time.Now().Add(ahead)))
	binary.BigEndian.PutUint64(answer[40:], ntpTime(time.Now().Add(ahead)))
	return answer
}

func TestClockOffset(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Hour, -90 * time.Second} {
		server := timeServer(t, func(request []byte) [][]byte {
			forged := timeAnswer(request, time.Hour)
			forged[24]++ // by someone who has not seen the request
			return [][]byte{{}, forged, timeAnswer(request, ahead)}
		})
		if got, err := Offset(t.Context(), server); err != nil || (got-ahead).Abs() > time.Second {
			t.Errorf("%v ahead: got %v, %v", ahead, got, err)
		}
	}
}

func TestTimeServerWithoutTime(t *testing.T) {
	for name, spoil := range map[string]func([]byte){
		"unsynchronised": func(a []byte) { a[0] |= 3 << 6 },
		"kiss of death":  func(a []byte) { a[1] = 0 },
		"no client mode": func(a []byte) { a[0] = 4<<3 | 3 },
		"no time":        func(a []byte) { clear(a[40:]) },
	} {
		server := timeServer(t, func(request []byte) [][]byte {
			answer := timeAnswer(request, 0)
			spoil(answer)
			return [][]byte{answer}
		})
		if got, err := Offset(t.Context(), server); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestNTPTime(t *testing.T) {
	for _, text := range []string{"2026-01-02T03:04:05.5Z", "2036-02-07T06:28:17Z", "2090-01-01T00:00:00Z"} {
		want, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		got := goTime(ntpTime(want))
		if got.Sub(want).Abs() > time.Microsecond {
			t.Errorf("%s became %s", want, got)
		}
	}
}
