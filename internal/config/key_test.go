package config

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// line writes a key as authorized_keys does.
func line(wire []byte) string {
	var head struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if err := ssh.Unmarshal(wire, &head); err != nil {
		panic(err)
	}
	return head.Type + " " + base64.StdEncoding.EncodeToString(wire)
}

func rsaLine(bits uint) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	return line(ssh.Marshal(struct {
		Type string
		E, N *big.Int
	}{"ssh-rsa", big.NewInt(65537), n.Add(n, big.NewInt(1))}))
}

func ecdsaLine(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ssh.NewPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return line(pub.Marshal())
}

func edLine(point []byte) string {
	return line(ssh.Marshal(struct {
		Type string
		Key  []byte
	}{"ssh-ed25519", point}))
}

func skLine(point []byte) string {
	return line(ssh.Marshal(struct {
		Type string
		Key  []byte
		App  string
	}{"sk-ssh-ed25519@openssh.com", point, "ssh:"}))
}

func TestParseKeyAccepts(t *testing.T) {
	point := make([]byte, 32)
	point[0] = 9
	for _, text := range []string{
		aKey, edLine(point), edLine(point) + "  a comment of words ", skLine(point),
		ecdsaLine(t, elliptic.P256()), ecdsaLine(t, elliptic.P384()), ecdsaLine(t, elliptic.P521()),
		rsaLine(2048), rsaLine(4096),
	} {
		key, err := ParseKey(text)
		if err != nil {
			t.Errorf("%.40s: %v", text, err)
		} else if !strings.HasPrefix(text, line(key.Marshal())) {
			t.Errorf("%.40s: another key", text)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	const accepted = "want ssh-ed25519, sk-ssh-ed25519@openssh.com, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa"
	const again = ": copy the line of the .pub file again"
	short := strings.Fields(aKey)[1]
	padded := ssh.Marshal(struct {
		Type string
		E, N []byte
	}{"ssh-rsa", []byte{0, 1, 0, 1}, append([]byte{0, 0}, new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1)).Bytes()...)})
	for _, c := range []struct{ text, want string }{
		{"", `want one line such as "ssh-ed25519 AAAA… alice@laptop"`},
		{"ssh-ed25519", `want one line such as "ssh-ed25519 AAAA… alice@laptop"`},
		{aKey + "\n" + aKey, `want one line such as "ssh-ed25519 AAAA… alice@laptop"`},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", `that is a private key, which nobody else should see: want the line of the .pub file`},
		{`from="10.0.0.1" ` + aKey, `begins with "from=\"10.0.0.1\"": options of authorized_keys belong in that file; here set from, expires and single: ` + accepted},
		{"restrict " + aKey, `begins with "restrict": options of authorized_keys belong in that file; here set from, expires and single: ` + accepted},
		{"ssh-dss AAAAB3NzaC1kc3M=", `DSA keys are too weak: ` + accepted},
		{"ssh-ed25519-cert-v01@openssh.com AAAA", `certificates are not accepted: want the public key itself`},
		{"sk-ecdsa-sha2-nistp256@openssh.com AAAA", `keys of type "sk-ecdsa-sha2-nistp256@openssh.com" are not accepted: ` + accepted},
		{"ssh-ed448 AAAA", `keys of type "ssh-ed448" are not accepted: ` + accepted},
		{"ssh-ed25519 AAAA…", `the part after the type is not whole base64: copy the line of the .pub file again`},
		{"ssh-ed25519 " + short[:60], `broken: short read` + again},
		{"ssh-ed25519 " + short + "AAAA", `broken: trailing junk in public key` + again},
		{"ssh-rsa " + short, `says ssh-rsa but holds a key of type ssh-ed25519`},
		{rsaLine(1024), `RSA key of 1024 bits: want 2048 to 4096`},
		{rsaLine(2047), `RSA key of 2047 bits: want 2048 to 4096`},
		{rsaLine(8192), `RSA key of 8192 bits: want 2048 to 4096`},
		{line(padded), `encoded in an unusual way: copy the line of the .pub file again`},
		{edLine(make([]byte, 32)), `not the key of anybody: signatures for this point can be made without a private key`},
		{skLine(make([]byte, 32)), `not the key of anybody: signatures for this point can be made without a private key`},
	} {
		key, err := ParseKey(c.text)
		if err == nil || key != nil {
			t.Errorf("%.40s: accepted, want %q", c.text, c.want)
		} else if err.Error() != c.want {
			t.Errorf("%.40s:\n got %s\nwant %s", c.text, err, c.want)
		}
	}
}

// Each refused point is one that a signature without a private key fits: R the
// neutral point, S = 0 verifies whenever the hash is a multiple of the order.
func TestSmallOrderPointsCanBeForged(t *testing.T) {
	forged := make([]byte, 64)
	forged[0] = 1
	refused := 0
	for _, y := range []string{
		"00" + strings.Repeat("00", 31), "01" + strings.Repeat("00", 31),
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ec" + strings.Repeat("ff", 30) + "7f", "ed" + strings.Repeat("ff", 30) + "7f", "ee" + strings.Repeat("ff", 30) + "7f",
	} {
		for _, sign := range []byte{0, 0x80} {
			point, _ := hex.DecodeString(y)
			point[31] |= sign
			if !smallOrder(point) {
				t.Errorf("%x passes", point)
			}
			for n := range 200 {
				if ed25519.Verify(point, fmt.Append(nil, n), forged) {
					refused++
					break
				}
			}
		}
	}
	if refused < 10 { // some encodings with a sign are no points at all
		t.Errorf("forged for %d of 14 encodings", refused)
	}
	key, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil || smallOrder(key) {
		t.Errorf("an honest key is refused, %v", err)
	}
}

func TestIDCollisions(t *testing.T) {
	refuses(t, tree("sallyport.toml", doors(`{name="door-1668", ports=["tcp/1"]}`, `{name="door-66888", ports=["tcp/2"]}`)),
		main+`:1: door "door-66888": has the same id as "door-1668" in SPA messages (6d8b3bb5): choose another name`)
	refuses(t, tree("sallyport.toml", doors(aDoor)+`
client = [
	{name="a", doors=["ssh"], key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHl3K4DnnwADZQrXk85kBc/3Ya7xUQ/BFm2/a6ecGM0H"},
	{name="b", doors=["ssh"], key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBrjUSuSrU1lA/ojmX2KcCZA4uuJ92KYjoteWqjutv/L"},
]`), main+`:4: client "b": key has the same id as that of client "a" in SPA messages (8168d1c85b23): make another key`)
}

func TestNoDoorHasIDZero(t *testing.T) {
	ids := make(map[[4]byte]string)
	if err := claim(ids, [4]byte{}, "x"); err == nil || len(ids) != 0 {
		t.Errorf("error %v, ids %v", err, ids)
	}
}
