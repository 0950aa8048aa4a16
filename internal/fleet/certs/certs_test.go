package certs_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "sallyport/internal/fleet/certs"
)

// made writes a certificate that vouches for itself, and returns where it is.
func made(t *testing.T, name string, ends time.Time) Files {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, c, c, public, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	f := Files{filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")}
	for path, block := range map[string]*pem.Block{f.CA: {Type: "CERTIFICATE", Bytes: der}, f.Cert: {Type: "CERTIFICATE", Bytes: der}, f.Key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestLoad(t *testing.T) {
	now := time.Now()
	f := made(t, "tokyo-1", now.Add(20*24*time.Hour))
	config, list, err := Load(f)
	if err != nil || config == nil || len(list) != 2 || list[1].Name != "tokyo-1" || list[1].File != f.Cert {
		t.Fatalf("%v, %v", list, err)
	}
	for _, c := range []struct {
		after          time.Duration
		worth, urgency bool
	}{{-20 * 24 * time.Hour, false, false}, {0, true, false}, {15 * 24 * time.Hour, true, true}, {30 * 24 * time.Hour, true, true}} {
		if text, urgent := list[1].Due(now.Add(c.after)); (text != "") != c.worth || urgent != c.urgency {
			t.Errorf("after %s: %q, %v", c.after, text, urgent)
		}
	}
	if config, _, err := Load(Files{}); config != nil || err != nil {
		t.Errorf("none: %v", err)
	}
	if _, _, err := Load(Files{f.Key, f.Cert, f.Key}); err == nil {
		t.Error("a key is taken for a certificate of servers")
	}
	if _, _, err := Load(Files{f.CA, f.Cert, made(t, "other", now).Key}); err == nil {
		t.Error("a certificate is taken with another's key")
	}
}
