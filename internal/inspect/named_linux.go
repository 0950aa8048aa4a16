package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"sallyport/internal/packet"
)

// Named returns the ports that have a name in /etc/services (services(5)):
// those that programs use and that scanners therefore try. A host without
// that file has none.
func Named() ([]packet.Port, error) {
	f, err := os.Open("/etc/services")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up named ports: %w", err)
	}
	defer f.Close()
	ports, err := parseServices(f)
	if err != nil {
		return nil, fmt.Errorf("look up named ports: %w", err)
	}
	return ports, nil
}

// parseServices reads lines such as "ssh 22/tcp # comment" and leaves out
// other protocols and what it does not understand.
func parseServices(r io.Reader) (ports []packet.Port, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		number, proto, _ := strings.Cut(words[1], "/")
		if p, err := packet.ParsePort(proto + "/" + number); err == nil {
			ports = append(ports, p)
		}
	}
	return ports, lines.Err()
}
