package desk

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"sallyport/internal/atomicfile"
	"sallyport/internal/config"
	"sallyport/internal/fleet/admission"
	"sallyport/internal/fleet/certs"
	"sallyport/internal/fleet/roll"
)

// Folder is where an operator keeps what is needed to reach the fleet: the file fleet.toml,
// the head of the roll that was seen last, and the invitations that are open.
type Folder string

// Default returns the folder of this user.
func Default() (Folder, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for fleet.toml: %w", err)
	}
	return Folder(filepath.Join(base, "sallyport")), nil
}

// Names in the folder.
const (
	fileName   = "fleet.toml"
	pinName    = "fleet.head"
	inviteName = "invitations"
	maxFile    = 64 << 10
)

// File is what fleet.toml says.
type File struct {
	Endpoints []string `toml:"endpoints"`
	CA        string   `toml:"ca"`
	Cert      string   `toml:"cert"`
	Key       string   `toml:"key"`
	Identity  string   `toml:"identity"` // fingerprint or file of the operator's SSH key; empty: the only one there is
}

// Path returns where fleet.toml is.
func (f Folder) Path() string { return filepath.Join(string(f), fileName) }

// Certs are the files with certificates.
func (f File) Certs() certs.Files { return certs.Files{CA: f.CA, Cert: f.Cert, Key: f.Key} }

// Read reads fleet.toml. The error is fs.ErrNotExist if there is none.
func (f Folder) Read() (File, error) {
	var file File
	text, err := f.read(fileName)
	if err != nil {
		return file, err
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return File{}, fmt.Errorf("%s: want endpoints, ca, cert, key and identity, as in sallyport fleet init --help: line %d is not right", f.Path(), lineOf(err))
	}
	if err := file.Check(); err != nil {
		return File{}, fmt.Errorf("%s: %w", f.Path(), err)
	}
	return file, nil
}

func lineOf(err error) int {
	var syntax *toml.DecodeError
	var strict *toml.StrictMissingError
	line := 0
	switch {
	case errors.As(err, &syntax):
		line, _ = syntax.Position()
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		line, _ = strict.Errors[0].Position()
	}
	return line
}

// Check refuses what cannot be.
func (f File) Check() error {
	if len(f.Endpoints) == 0 {
		return errors.New(`endpoints is missing: want servers of etcd, such as ["etcd1.example.org:2379"]`)
	}
	for _, e := range f.Endpoints {
		if err := admission.CheckEndpoint(e, f.CA == ""); err != nil {
			return err
		}
	}
	set := 0
	for _, path := range []string{f.CA, f.Cert, f.Key} {
		if path == "" {
			continue
		}
		if set++; !filepath.IsAbs(path) {
			return fmt.Errorf("%q is no absolute path", path)
		}
	}
	if set != 0 && set != 3 {
		return errors.New("ca, cert and key go together: set all three")
	}
	return nil
}

// Write writes fleet.toml, which must not be there.
func (f Folder) Write(file File) error {
	var b strings.Builder
	b.WriteString("# Where the fleet is that I am an operator of.\n")
	quoted := make([]string, len(file.Endpoints))
	for i, e := range file.Endpoints {
		quoted[i] = config.Quote(e)
	}
	fmt.Fprintf(&b, "endpoints = [%s]\n", strings.Join(quoted, ", "))
	for _, l := range [][2]string{{"ca", file.CA}, {"cert", file.Cert}, {"key", file.Key}, {"identity", file.Identity}} {
		if l[1] != "" {
			fmt.Fprintf(&b, "%s = %s\n", l[0], config.Quote(l[1]))
		}
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", f.Path(), err)
	}
	if err := atomicfile.Create(f.Path(), []byte(b.String()), atomicfile.Options{}); err != nil {
		return fmt.Errorf("write %s: %w", f.Path(), err)
	}
	return nil
}

// Pin is what was seen of a fleet. An operator who knows it is shown neither another
// fleet, nor the past of this one.
type Pin struct {
	Fleet roll.Hash
	Head  roll.Head
}

// Text returns the pin as one line.
func (p Pin) Text() string { return fmt.Sprintf("%s %d %s\n", p.Fleet, p.Head.Number, p.Head.Hash) }

// ParsePin reads what Text writes, and nothing else.
func ParsePin(text string) (p Pin, err error) {
	words := strings.Fields(text)
	if len(words) == 3 {
		var bad [3]error
		p.Fleet, bad[0] = parseHash(words[0])
		p.Head.Number, bad[1] = strconv.ParseUint(words[1], 10, 64)
		p.Head.Hash, bad[2] = parseHash(words[2])
		if errors.Join(bad[:]...) == nil && p.Text() == text {
			return p, nil
		}
	}
	return Pin{}, errors.New("want the fleet, a number and a hash, as sallyport fleet status prints them")
}

func parseHash(text string) (h roll.Hash, err error) {
	body, ok := strings.CutPrefix(text, "SHA256:")
	raw, err := base64.RawStdEncoding.Strict().DecodeString(body)
	if !ok || err != nil || len(raw) != len(h) {
		return h, errors.New("no hash")
	}
	return roll.Hash(raw), nil
}

// Pin returns the last one. The error is fs.ErrNotExist if there is none.
func (f Folder) Pin() (Pin, error) {
	text, err := f.read(pinName)
	if err != nil {
		return Pin{}, err
	}
	p, err := ParsePin(string(text))
	if err != nil {
		return Pin{}, fmt.Errorf("%s: %w", filepath.Join(string(f), pinName), err)
	}
	return p, nil
}

// SetPin keeps a pin.
func (f Folder) SetPin(p Pin) error {
	err := os.MkdirAll(string(f), 0o700)
	if err == nil {
		err = atomicfile.Replace(filepath.Join(string(f), pinName), []byte(p.Text()), atomicfile.Options{})
	}
	if err != nil {
		return fmt.Errorf("keep what was seen of the roll: %w", err)
	}
	return nil
}

func (f Folder) read(name string) ([]byte, error) {
	path := filepath.Join(string(f), name)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is too large", path)
	}
	return text, err
}
