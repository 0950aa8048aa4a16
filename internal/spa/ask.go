package spa

import (
	"fmt"

	"sallyport/internal/askcode"
)

// AskCode is the code of a message that asks (docs/PROTOCOL.md, section 16): what the
// asker's device shows and the operator types. Nobody else can know it.
func (m *Message) AskCode() (askcode.Code, error) { return askCode(m.recipient) }

// AskCode is the same for the asker.
func (s *Sealed) AskCode() (askcode.Code, error) { return askCode(s.exporter) }

func askCode(e exporter) (askcode.Code, error) {
	b, err := e.Export("sallyport ask v1", askcode.Size)
	if err != nil {
		return askcode.Code{}, fmt.Errorf("derive the code of an ask: %w", err)
	}
	return askcode.Of([askcode.Size]byte(b)), nil
}
