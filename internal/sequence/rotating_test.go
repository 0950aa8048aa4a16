package sequence

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/packet"
)

var update = flag.Bool("update", false, "write the vectors again")

// vector is a published example of the derivation.
type vector struct {
	Secret string        `json:"secret"`
	Gate   string        `json:"gate,omitempty"`
	Door   string        `json:"door"`
	Unix   int64         `json:"unix"`
	Step   int64         `json:"step"`
	Knocks int           `json:"knocks"`
	Ports  string        `json:"ports"`
	Proto  Protos        `json:"proto"`
	Result []packet.Port `json:"sequence"`
}

func (v vector) shape() Shape {
	s := Shape{Knocks: v.Knocks, Protos: v.Proto}
	if _, err := fmt.Sscanf(v.Ports, "%d-%d", &s.First, &s.Last); err != nil {
		panic(err)
	}
	return s
}

func (v vector) derive() []packet.Port {
	secret, err := ParseSecret(v.Secret)
	if err != nil {
		panic(err)
	}
	return NewRotation(secret.At(v.Gate), v.shape()).Knocks(v.Door, StepAt(time.Unix(v.Unix, 0)))
}

// vectors are inputs; the second and third need numbers that are left out, the
// fourth several blocks; in the sixth 6566 is refused.
var vectors = []vector{
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Door: "ssh", Unix: 1798761600, Knocks: 5, Ports: "1024-32767", Proto: OnlyTCP},
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Door: "ssh", Unix: 1798761629, Knocks: 5, Ports: "1024-32767", Proto: BothProtos},
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Door: "ssh", Unix: 1798761630, Knocks: 5, Ports: "1024-32767", Proto: OnlyUDP},
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Door: "db.eu-1_a", Unix: 0, Knocks: 16, Ports: "1024-32767", Proto: BothProtos},
	{Secret: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Door: "web", Unix: 1900000000, Knocks: 7, Ports: "20000-21023", Proto: OnlyTCP},
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Door: "ssh", Unix: 1798765620, Knocks: 5, Ports: "1-32767", Proto: OnlyTCP},
	{Secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Gate: "tokyo", Door: "ssh", Unix: 1798761600, Knocks: 5, Ports: "1024-32767", Proto: OnlyTCP},
}

const vectorFile = "testdata/rotating.json"

func TestVectors(t *testing.T) {
	if *update {
		for i := range vectors {
			vectors[i].Step, vectors[i].Result = StepAt(time.Unix(vectors[i].Unix, 0)), vectors[i].derive()
		}
		text, err := json.MarshalIndent(vectors, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var published []vector
	if err := json.Unmarshal(text, &published); err != nil {
		t.Fatal(err)
	}
	if len(published) != len(vectors) {
		t.Fatalf("%d published, want %d", len(published), len(vectors))
	}
	document, err := os.ReadFile("../../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range published {
		if got := v.derive(); !slices.Equal(got, v.Result) || StepAt(time.Unix(v.Unix, 0)) != v.Step {
			t.Errorf("%s at %d: %v, published: %v", v.Door, v.Unix, got, v.Result)
		}
		if line := strings.Trim(fmt.Sprint(v.Result), "[]"); !bytes.Contains(document, []byte(line)) {
			t.Errorf("docs/PROTOCOL.md does not have %s", line)
		}
	}
}

// TestAgainstOpenSSL derives the key stream with another implementation.
func TestAgainstOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	v := vectors[0]
	secret, _ := ParseSecret(v.Secret)
	ours := NewRotation(secret, v.shape()).stream(v.Door, 59958720, 3)
	cmd := exec.Command("openssl", "dgst", "-sha256", "-hmac", v.Secret, "-r")
	cmd.Stdin = strings.NewReader("sallyport rotating v1 ssh 59958720 3")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", ours); !strings.HasPrefix(string(out), want) {
		t.Errorf("openssl: %s, ours: %s", out, want)
	}
}

func TestRotatingSequences(t *testing.T) {
	secret := NewSecret([20]byte{1})
	for _, shape := range []Shape{
		DefaultShape,
		{Knocks: 16, First: 1, Last: HighestPort, Protos: BothProtos},
		{Knocks: 7, First: 5000, Last: 6023, Protos: OnlyUDP},
	} {
		if err := shape.Validate(); err != nil {
			t.Errorf("%+v: %v", shape, err)
		}
		seen, protos := map[string]bool{}, map[packet.Proto]int{}
		for step := range int64(2000) {
			knocks := NewRotation(secret, shape).Knocks("ssh", step)
			if len(knocks) != shape.Knocks || seen[fmt.Sprint(knocks)] {
				t.Fatalf("step %d: %v", step, knocks)
			}
			seen[fmt.Sprint(knocks)] = true
			for i, k := range knocks {
				protos[k.Proto]++
				if Refused(k.Number) || k.Number < shape.First || k.Number > shape.Last || i > 0 && k.Number == knocks[i-1].Number {
					t.Fatalf("step %d: %v", step, knocks)
				}
			}
		}
		tcp, udp := protos[packet.TCP], protos[packet.UDP]
		if (shape.Protos == OnlyTCP) != (udp == 0) || (shape.Protos == OnlyUDP) != (tcp == 0) {
			t.Errorf("%+v: %d TCP, %d UDP", shape, tcp, udp)
		}
		if shape.Protos == BothProtos && (tcp < 15000 || udp < 15000) {
			t.Errorf("%d TCP and %d UDP of 32000: want about as many", tcp, udp)
		}
	}
}

// TestRotatingDiffers: whatever goes into the derivation changes the sequence.
func TestRotatingDiffers(t *testing.T) {
	a, b := NewSecret([20]byte{1}), NewSecret([20]byte{2})
	base := NewRotation(a, DefaultShape).Knocks("ssh", 7)
	for name, other := range map[string][]packet.Port{
		"secret": NewRotation(b, DefaultShape).Knocks("ssh", 7),
		"door":   NewRotation(a, DefaultShape).Knocks("ssg", 7),
		"step":   NewRotation(a, DefaultShape).Knocks("ssh", 8),
		"gate":   NewRotation(a.At("g"), DefaultShape).Knocks("ssh", 7),
		"joint":  NewRotation(a, DefaultShape).Knocks("ssh7", 0),
	} {
		if slices.Equal(base, other) {
			t.Errorf("another %s, the same sequence", name)
		}
	}
}

func TestShapes(t *testing.T) {
	for name, s := range map[string]Shape{
		"zero":      {},
		"too few":   {Knocks: 4, First: 1024, Last: 32767, Protos: OnlyTCP},
		"too many":  {Knocks: 17, First: 1024, Last: 32767, Protos: OnlyTCP},
		"backwards": {Knocks: 5, First: 32767, Last: 1024, Protos: OnlyTCP},
		"port 0":    {Knocks: 5, First: 0, Last: 32767, Protos: OnlyTCP},
		"too high":  {Knocks: 5, First: 1024, Last: 32768, Protos: OnlyTCP},
		"refused":   {Knocks: 16, First: 1, Last: 2022, Protos: OnlyTCP},
		"narrow":    {Knocks: 16, First: 1024, Last: 2022, Protos: OnlyTCP},
		"guessable": {Knocks: 6, First: 1024, Last: 2047, Protos: OnlyTCP},
		"protocol":  {Knocks: 5, First: 1024, Last: 32767, Protos: "icmp"},
		"none":      {Knocks: 5, First: 1024, Last: 32767},
	} {
		if s.Validate() == nil {
			t.Errorf("%s: %+v is taken", name, s)
		}
	}
	if bits := DefaultShape.Bits(); bits < 74 || bits > 75 {
		t.Errorf("%f bits", bits)
	}
}

func TestStepAt(t *testing.T) {
	for unix, want := range map[int64]int64{0: 0, 29: 0, 30: 1, 59: 1, -1: -1, -30: -1, -31: -2, 1798761600: 59958720} {
		if got := StepAt(time.Unix(unix, 999_999_999)); got != want {
			t.Errorf("%d: step %d, want %d", unix, got, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	made := NewSecret([20]byte{0xff, 0x80})
	if read, err := ParseSecret(made.Text()); err != nil || read != made {
		t.Errorf("%v", err)
	}
	for _, text := range []string{
		"", "GEZDGNBV", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQG",
		"gezdgnbvgy3tqojqgezdgnbvgy3tqojq", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ=",
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQAA======", "GEZDGNBV GY3TQOJQGEZDGNBVGY3TQOJ", "GEZDGNBVGY3TQOJQ\nEZDGNBVGY3TQOJQ",
		"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBV\n\n\n\n\n\n\n\n", strings.Repeat("A", 112),
	} {
		if _, err := ParseSecret(text); err == nil {
			t.Errorf("%q is taken", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the message shows the secret: %v", err)
		}
	}
}

func TestSecretsStaySecret(t *testing.T) {
	s := struct{ S Secret }{NewSecret([20]byte{3})}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s.S, "all", s)
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s.S, s.S, s.S, s.S) + log.String()
	if strings.Contains(shown, s.S.Text()) || strings.Contains(shown, fmt.Sprintf("%x", s.S.Text())) {
		t.Errorf("shown: %s", shown)
	}
}

func BenchmarkRotation(b *testing.B) {
	r := NewRotation(NewSecret([20]byte{1}), DefaultShape)
	for i := range b.N {
		r.Knocks("ssh", int64(i))
	}
}
