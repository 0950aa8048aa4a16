//go:build linux

package sshauth

import (
	"bytes"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"sallyport/internal/lab/labtest"
)

// accepted asks ssh-keygen whether proof is the key's signature of message.
func accepted(t *testing.T, pub ssh.PublicKey, message, proof []byte) (bool, string) {
	t.Helper()
	file, err := File(pub, proof)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	allowed, signature := filepath.Join(dir, "allowed"), filepath.Join(dir, "proof")
	write(t, allowed, append([]byte("alice "), ssh.MarshalAuthorizedKey(pub)...))
	write(t, signature, file)
	verify := exec.Command("ssh-keygen", "-Y", "verify", "-n", "knock@sallyport", "-I", "alice", "-f", allowed, "-s", signature)
	verify.Stdin = bytes.NewReader(message)
	out, err := verify.CombinedOutput()
	return err == nil, string(out)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func TestSSHKeygenAcceptsOurProofs(t *testing.T) {
	labtest.Need(t, "peers", "ssh-keygen")
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			proof, err := Sign(signer, message)
			if err != nil {
				t.Fatal(err)
			}
			if ok, _ := accepted(t, signer.PublicKey(), []byte("another message"), proof); ok {
				t.Error("ssh-keygen accepts any message")
			}
			if ok, out := accepted(t, signer.PublicKey(), message, proof); !ok {
				t.Errorf("ssh-keygen refuses: %s", out)
			}
		})
	}
}

// keygen makes a key pair and returns the path of the private key.
func keygen(t *testing.T, args ...string) (string, ssh.PublicKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "id")
	run(t, exec.Command("ssh-keygen", append([]string{"-q", "-N", "", "-f", path}, args...)...))
	line, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		t.Fatal(err)
	}
	return path, pub
}

var keygenKinds = map[string][]string{
	"ed25519": {"-t", "ed25519"},
	"p256":    {"-t", "ecdsa", "-b", "256"},
	"p384":    {"-t", "ecdsa", "-b", "384"},
	"p521":    {"-t", "ecdsa", "-b", "521"},
	"rsa":     {"-t", "rsa", "-b", "2048"},
}

func TestWeAcceptSignaturesOfSSHKeygen(t *testing.T) {
	labtest.Need(t, "peers", "ssh-keygen")
	for name, args := range keygenKinds {
		t.Run(name, func(t *testing.T) {
			path, pub := keygen(t, args...)
			for namespace, want := range map[string]bool{"file": false, "knock@sallyport": true} {
				proof := signedByKeygen(t, path, pub, namespace)
				if err := Verify(pub, message, proof); (err == nil) != want {
					t.Errorf("namespace %q: %v", namespace, err)
				}
			}
		})
	}
}

// signedByKeygen returns the raw form of a signature that ssh-keygen makes.
func signedByKeygen(t *testing.T, path string, pub ssh.PublicKey, namespace string) []byte {
	t.Helper()
	sign := exec.Command("ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", namespace)
	sign.Stdin = bytes.NewReader(message)
	out, err := sign.Output()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(out)
	if block == nil {
		t.Fatalf("not a signature file: %s", out)
	}
	var whole envelope
	if err := ssh.Unmarshal(block.Bytes, &whole); err != nil {
		t.Fatal(err)
	}
	signature := new(ssh.Signature)
	if err := ssh.Unmarshal(whole.Signature, signature); err != nil {
		t.Fatal(err)
	}
	_, form, err := inspect(pub)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := form.pack(signature)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

func TestFileIsWhatSSHKeygenWrites(t *testing.T) {
	labtest.Need(t, "peers", "ssh-keygen")
	path, pub := keygen(t, "-t", "ed25519") // the only kind whose signatures do not differ each time
	sign := exec.Command("ssh-keygen", "-q", "-Y", "sign", "-f", path, "-n", "knock@sallyport")
	sign.Stdin = bytes.NewReader(message)
	want, err := sign.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := File(pub, signedByKeygen(t, path, pub, "knock@sallyport"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("our file:\n%s\ntheirs:\n%s", got, want)
	}
}

func TestRealAgentSigns(t *testing.T) {
	labtest.Need(t, "peers", "ssh-agent", "ssh-add", "ssh-keygen")
	conn, socket := startAgent(t)
	keys := agent.NewClient(conn)
	for _, args := range keygenKinds {
		path, _ := keygen(t, args...)
		add := exec.Command("ssh-add", "-q", path)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		run(t, add)
	}
	list, err := keys.Signers()
	if err != nil || len(list) != len(keygenKinds) {
		t.Fatalf("the agent has %d keys, %v: want %d", len(list), err, len(keygenKinds))
	}
	for _, signer := range list {
		proof, err := Sign(signer, message)
		if err != nil {
			t.Errorf("%s: %v", signer.PublicKey().Type(), err)
			continue
		}
		if ok, out := accepted(t, signer.PublicKey(), message, proof); !ok {
			t.Errorf("%s: ssh-keygen refuses: %s", signer.PublicKey().Type(), out)
		}
	}
	if err := keys.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(list[0], message); err == nil || !strings.Contains(err.Error(), "SHA256:") {
		t.Errorf("an agent without the key: %v: want an error that names the key", err)
	}
}

// startAgent runs an ssh-agent until the test ends and connects to it.
func startAgent(t *testing.T) (net.Conn, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	process := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn, socket
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
