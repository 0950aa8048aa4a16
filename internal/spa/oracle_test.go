package spa_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/crypto/chacha20"
)

// This file is a second implementation of docs/PROTOCOL.md, written from that
// page and sharing no code with the package. It makes the vectors, and reads
// what the package writes.

// octets is a byte string that JSON shows in hexadecimal.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// vector is a knock and its answer, with every intermediate value.
type vector struct {
	Name          string  `json:"name"`
	Suite         string  `json:"suite"`
	ServerPrivate string  `json:"server_private"`
	ServerPublic  string  `json:"server_public"`
	Fingerprint   string  `json:"fingerprint"`
	ServerHash    octets  `json:"server_hash"`
	PRK           octets  `json:"prk"`
	VeilKey       octets  `json:"veil_key"`
	Epoch         int64   `json:"epoch"`
	MoatKey       octets  `json:"moat_key"`
	ClientSeed    octets  `json:"client_seed"`
	ClientPublic  octets  `json:"client_public"`
	ClientID      octets  `json:"client_id"`
	Random        random  `json:"random"`
	Request       request `json:"request"`
	Header        octets  `json:"header"`
	Enc           octets  `json:"enc"`
	SharedSecret  octets  `json:"shared_secret"`
	Message       octets  `json:"message"`
	Signed        octets  `json:"signed"`
	Proof         octets  `json:"proof"`
	CT            octets  `json:"ct"`
	Knock         octets  `json:"knock"`
	AckKey        octets  `json:"ack_key"`
	Answer        answer  `json:"answer"`
	AckPlain      octets  `json:"ack_plain"`
	Ack           octets  `json:"ack"`

	ICEPwd      string `json:"ice_pwd,omitempty"`
	STUNRequest octets `json:"stun_request,omitempty"`
	STUNAnswer  octets `json:"stun_answer,omitempty"`

	Kind     byte   `json:"kind,omitempty"`
	NewKey   octets `json:"new_key,omitempty"`
	Rotating string `json:"rotating,omitempty"`

	Code string `json:"code,omitempty"`
}

type random struct {
	R        octets `json:"r"`
	X25519   octets `json:"x25519"`
	MLKEM    octets `json:"mlkem,omitempty"`
	AckNonce octets `json:"ack_nonce"`
	STUNID   octets `json:"stun_id,omitempty"` // transaction id
}

type request struct {
	Op      byte       `json:"op"`
	Flags   byte       `json:"flags"`
	Door    string     `json:"door"` // its name; empty: the default doors
	Time    int64      `json:"time"`
	Seconds uint16     `json:"seconds"`
	Bound   netip.Addr `json:"bound,omitzero"`
}

type answer struct {
	Status byte         `json:"status"`
	Reason byte         `json:"reason"`
	Flags  byte         `json:"flags"`
	Total  byte         `json:"total"`
	Time   int64        `json:"time"`
	Source netip.Addr   `json:"source"`
	Doors  []answerDoor `json:"doors"`
}

type answerDoor struct {
	ID      octets `json:"id"`
	Flags   byte   `json:"flags"`
	Seconds uint32 `json:"seconds"`
}

const (
	privatePrefix = "sallyport-server-private-v1:"
	publicPrefix  = "sallyport-server-public-v1:"
)

func keyText(prefix, suite string, k []byte) string {
	head := prefix + suite + ":"
	sum := sha256.Sum256(cat([]byte(head), k))
	return head + base64.RawURLEncoding.EncodeToString(cat(k, sum[:4]))
}

func fromKeyText(prefix, text string) (suite string, k []byte) {
	suite, body, _ := strings.Cut(strings.TrimPrefix(text, prefix), ":")
	raw := must(base64.RawURLEncoding.DecodeString(body))
	if k = raw[:len(raw)-4]; keyText(prefix, suite, k) != text {
		panic("key text: " + text)
	}
	return suite, k
}

func u(size int, x uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, x)[8-size:]
}

func addressBytes(a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return make([]byte, 16)
	case a.Is4():
		return cat(make([]byte, 10), []byte{0xff, 0xff}, a.AsSlice())
	}
	return a.AsSlice()
}

func str(x []byte) []byte { return cat(u(4, uint64(len(x))), x) }

func doorID(name string) []byte {
	if name == "" {
		return make([]byte, 4)
	}
	sum := sha256.Sum256([]byte(name))
	return sum[:4]
}

// complete computes everything in a vector from the server's private key, the
// client's seed, the randomness, the request and the answer.
func complete(v vector, private []byte) vector {
	k := kems[v.Suite]
	public := k.public(private)
	v.ServerPrivate = keyText(privatePrefix, v.Suite, private)
	v.ServerPublic = keyText(publicPrefix, v.Suite, public)
	v.derive(public, v.Request.Time)

	client := ed25519.NewKeyFromSeed(v.ClientSeed)
	v.ClientPublic = cat(str([]byte("ssh-ed25519")), str(client.Public().(ed25519.PublicKey)))
	id := sha256.Sum256(v.ClientPublic)
	v.ClientID = id[:6]

	front := cat(v.Random.R, sip(v.MoatKey, v.Random.R)[:4])
	var secret, enc []byte
	secret, enc = k.encapsulate(public, v.Random.X25519, v.Random.MLKEM)
	v.SharedSecret, v.Enc = secret, enc
	v.Header = v.Request.header(v.ClientID)
	v.sign(front, v.Request.Bound)
	v.Proof = ed25519.Sign(client, v.Signed)
	if v.Kind != 0 {
		v.Proof = cat([]byte{v.Kind}, v.NewKey, v.Proof)
	}
	ctx := schedule(k.id, secret, "sallyport knock v1")
	v.CT = box(ctx.key, ctx.nonce, cat(v.Header, v.Proof), front)
	v.Knock = cat(front, veiled(v.VeilKey, front, cat(v.Enc, v.CT)))

	v.AckKey = ctx.export("sallyport ack v1", 32)
	v.AckPlain = v.Answer.plain()
	v.Ack = cat(v.Random.AckNonce, box(v.AckKey, v.Random.AckNonce, v.AckPlain, front))
	if v.Suite == "x25519" {
		v.inSTUN(ctx)
	}
	if v.Kind != 0 {
		v.Rotating = base32.StdEncoding.EncodeToString(ctx.export("sallyport rotating v1", 20))
	}
	if v.Request.Op == 4 {
		v.Code = askCode(ctx.export("sallyport ask v1", 3))
	}
	return v
}

// derive computes what follows from the public key and a time.
func (v *vector) derive(public []byte, ms int64) {
	hash := sha256.Sum256(public)
	v.ServerHash = hash[:]
	v.Fingerprint = "SHA256:" + strings.TrimRight(base64.StdEncoding.EncodeToString(hash[:]), "=")
	v.PRK = extract([]byte("sallyport knock v1"), public)
	v.VeilKey = expand(v.PRK, []byte("veil"), 32)
	v.Epoch = ms / 512000
	v.MoatKey = expand(v.PRK, cat([]byte("moat"), u(8, uint64(v.Epoch))), 16)
}

// sign computes M and S.
func (v *vector) sign(front []byte, bound netip.Addr) {
	label := "sallyport knock v1 proof\x00"
	if v.Kind != 0 {
		label = "sallyport enrol v1 proof\x00"
	}
	v.Message = cat([]byte(label), v.ServerHash, front, v.Enc, v.Header, addressBytes(bound))
	if v.Kind != 0 {
		v.Message = cat(v.Message, []byte{v.Kind}, v.NewKey)
	}
	sum := sha512.Sum512(v.Message)
	v.Signed = cat([]byte("SSHSIG"), str([]byte("knock@sallyport")), str(nil), str([]byte("sha512")), str(sum[:]))
}

func (r request) header(client []byte) []byte {
	return cat([]byte{r.Op, r.Flags}, client, doorID(r.Door), u(6, uint64(r.Time)), u(2, uint64(r.Seconds)))
}

func veiled(k, front, data []byte) []byte {
	out := make([]byte, len(data))
	must(chacha20.NewUnauthenticatedCipher(k, front)).XORKeyStream(out, data)
	return out
}

func (a answer) plain() []byte {
	b := cat([]byte{a.Status, a.Reason, a.Flags, a.Total}, u(6, uint64(a.Time)), addressBytes(a.Source))
	for _, d := range a.Doors {
		b = cat(b, d.ID, []byte{d.Flags}, u(3, uint64(d.Seconds)))
	}
	return cat(b, make([]byte, 90-len(b)))
}

var errProof = errors.New("proof")

// read opens a knock at time ms with the server's private key, and verifies it
// with the client's public key and the source it came from.
func read(knock []byte, privateText string, ms int64, client ed25519.PublicKey, source netip.Addr) (vector, error) {
	suite, private := fromKeyText(privatePrefix, privateText)
	k := kems[suite]
	v := vector{Suite: suite, Knock: knock}
	v.derive(k.public(private), ms)
	front := knock[:12]
	if !bytes.Equal(sip(v.MoatKey, front[:8])[:4], front[8:]) {
		return v, errors.New("tag")
	}
	rest := veiled(v.VeilKey, front, knock[12:])
	v.Enc, v.CT = rest[:k.encSize], rest[k.encSize:]
	v.SharedSecret = k.decapsulate(private, v.Enc)
	ctx := schedule(k.id, v.SharedSecret, "sallyport knock v1")
	plain, err := unbox(ctx.key, ctx.nonce, v.CT, front)
	if err != nil {
		return v, err
	}
	v.Header, v.Proof = plain[:20], plain[20:]
	v.ClientID = v.Header[2:8]
	if v.Header[1]&1 == 0 {
		source = netip.Addr{}
	}
	v.sign(front, source)
	if !ed25519.Verify(client, v.Signed, v.Proof) {
		return v, errProof
	}
	v.AckKey = ctx.export("sallyport ack v1", 32)
	return v, nil
}

// askCode writes the code of section 16.
func askCode(export []byte) string {
	var code strings.Builder
	for _, digit := range hex.EncodeToString(export) {
		code.WriteByte("BCDFGHJKMPRTVWXY"[strings.IndexRune("0123456789abcdef", digit)])
	}
	return code.String()
}
