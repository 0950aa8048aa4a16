package spa_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"sallyport/internal/key"
	"sallyport/internal/spa"
)

// The package reads the published messages that enrol, and derives the same.
func TestPackageReadsEnrolments(t *testing.T) {
	text, err := os.ReadFile(enrolFile)
	if err != nil {
		t.Fatal(err)
	}
	var file vectors
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range append(file.Vectors, readVectors(t).Vectors...) {
		if v.Suite != "x25519" {
			continue
		}
		private, err := key.ParsePrivate(v.ServerPrivate)
		if err != nil {
			t.Fatal(err)
		}
		tagged, reason := spa.NewOpener(key.NewKeyring(private), time.Minute).Check(time.UnixMilli(v.Request.Time), v.Knock)
		if reason != "" {
			t.Fatal(v.Name, reason)
		}
		m, reason := tagged.Open()
		if reason != "" {
			t.Fatal(v.Name, reason)
		}
		if password, err := m.ICEPassword(); err != nil || password != v.ICEPwd {
			t.Errorf("%s: password %q, %v, want %q", v.Name, password, err, v.ICEPwd)
		}
		if v.Kind == 0 {
			continue
		}
		kind, newKey, signature := m.Enrolment()
		if m.Header.Op != spa.Enrol || kind != v.Kind || !bytes.Equal(newKey, v.NewKey) || !bytes.Equal(signature, v.Proof[len(v.Proof)-64:]) || !bytes.Equal(m.Signed(v.Request.Bound), v.Message) {
			t.Errorf("%s: %+v, M %x\nwant %x", v.Name, m.Header, m.Signed(v.Request.Bound), v.Message)
		}
		if secret, err := m.Rotating(); err != nil || secret != v.Rotating {
			t.Errorf("%s: secret %q, %v", v.Name, secret, err)
		}
		checkAck(t, v)
	}
}
