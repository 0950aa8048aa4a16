// Package certs reads the certificates with which gates and operators prove themselves to
// the servers of etcd, and says when they end.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Files are where they are. Without any of them there is no TLS, which is for servers on
// this host alone.
type Files struct{ CA, Cert, Key string }

// Cert is one of them, and when it ends.
type Cert struct {
	File string
	Name string // the common name, which etcd takes for the user's
	Ends time.Time
}

// When the end of a certificate is worth a word, and when it is urgent.
const (
	Soon   = 30 * 24 * time.Hour
	Urgent = 7 * 24 * time.Hour
)

const maxSize = 1 << 20

// Load returns what a connection needs; nil: no TLS. The certificates are returned too
// where only their time is wrong.
func Load(f Files) (*tls.Config, []Cert, error) {
	if f == (Files{}) {
		return nil, nil, nil
	}
	text, err := read(f.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificates of etcd's servers: %w", err)
	}
	pool, list, err := Authorities(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificates of etcd's servers in %s: %w", f.CA, err)
	}
	for i := range list {
		list[i].File = f.CA
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate for etcd: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate for etcd in %s: %w", f.Cert, err)
	}
	list = append(list, Cert{f.Cert, leaf.Subject.CommonName, leaf.NotAfter})
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, list, nil
}

// Authorities reads the certificates that vouch for servers.
func Authorities(text []byte) (*x509.CertPool, []Cert, error) {
	pool := x509.NewCertPool()
	var list []Cert
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("there is a block %.40q: want certificates alone", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, errors.New("a certificate is damaged")
		}
		pool.AddCert(c)
		list = append(list, Cert{Name: c.Subject.CommonName, Ends: c.NotAfter})
	}
	if len(list) == 0 {
		return nil, nil, errors.New("there is no certificate in PEM")
	}
	return pool, list, nil
}

// Due says how a certificate stands: empty, or a sentence about its end.
func (c Cert) Due(now time.Time) (text string, urgent bool) {
	left := c.Ends.Sub(now)
	day := c.Ends.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		return fmt.Sprintf("the certificate %s has ended on %s", c.File, day), true
	case left <= Soon:
		return fmt.Sprintf("the certificate %s ends on %s: renew it", c.File, day), left <= Urgent
	}
	return "", false
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s is larger than certificates are", path)
	}
	return text, err
}
