package client

import (
	"slices"
	"strings"
	"testing"

	"sallyport/internal/sequence"
)

// The name of the gate travels in profile and URI, and changes the sequences.
func TestGateInProfiles(t *testing.T) {
	p := &Profile{Name: "g", Host: "192.0.2.1", Doors: []string{"ssh"}, Rotating: sequence.NewSecret([20]byte{1}), Shape: sequence.DefaultShape, Gate: "tokyo"}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	read, err := ParseProfile(p.Marshal())
	if err != nil || read.Gate != "tokyo" {
		t.Errorf("read %+v, %v", read, err)
	}
	uri := p.RotatingURI()
	if q, err := ParseRotatingURI(uri); err != nil || q.Gate != "tokyo" || !strings.Contains(uri, "&g=tokyo&") {
		t.Errorf("%s: %+v, %v", uri, q, err)
	}
	with, without := sequence.NewRotation(p.Rotating.At(p.Gate), p.Shape), sequence.NewRotation(p.Rotating.At(""), p.Shape)
	if slices.Equal(with.Knocks("ssh", 1), without.Knocks("ssh", 1)) {
		t.Error("the name of the gate changes nothing")
	}
	alone := Profile{Name: "g", Host: "h", Port: 1, ServerKey: "x", Gate: "tokyo"}
	if alone.complete() == nil {
		t.Error("a gate's name without a secret is taken")
	}
}
