package config

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// large makes a configuration spread over files of 100 tables each.
func large(doors, clients int) fstest.MapFS {
	fsys := tree("sallyport.toml", "spa.port = 65000\n")
	var b strings.Builder
	flush := func(kind string, i, of int) {
		if i%100 == 99 || i == of-1 {
			fsys[fmt.Sprintf("etc/sallyport/conf.d/%s-%06d.toml", kind, i)] = &fstest.MapFile{Data: []byte(b.String()), Mode: 0o640}
			b.Reset()
		}
	}
	for i := range doors {
		fmt.Fprintf(&b, "[[door]]\nname = \"d%d\"\nports = [\"tcp/%d\"]\nsequence = [\"udp/%d\", \"udp/%d\", \"udp/%d\"]\n", i, i+1, 1+i%100, 1000+i/100, 40000+i)
		flush("door", i, doors)
	}
	for i := range clients {
		point := sha256.Sum256(fmt.Append(nil, i))
		fmt.Fprintf(&b, "[[client]]\nname = \"c%d\"\ndoors = [\"d%d\"]\nkey = \"%s c%d@host\"\n", i, i%doors, edLine(point[:]), i)
		flush("client", i, clients)
	}
	return fsys
}

func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct{ doors, clients int }{{1, 1}, {200, 500}, {10_000, 100_000}} {
		b.Run(fmt.Sprintf("%d-doors-%d-clients", size.doors, size.clients), func(b *testing.B) {
			fsys := large(size.doors, size.clients)
			b.ReportAllocs()
			for b.Loop() {
				c, err := Load(fsys, main)
				if err != nil {
					b.Fatal(err)
				}
				if len(c.Doors) != size.doors || len(c.Clients) != size.clients {
					b.Fatalf("%d doors, %d clients", len(c.Doors), len(c.Clients))
				}
			}
		})
	}
}

func TestUsualSizesLoad(t *testing.T) {
	fsys := large(200, 500)
	c, err := Load(fsys, main)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Doors) != 200 || len(c.Clients) != 500 {
		t.Errorf("%d doors, %d clients", len(c.Doors), len(c.Clients))
	}
}

func TestTooManyTables(t *testing.T) {
	fsys := tree("sallyport.toml", "#")
	for i := range 11 {
		fsys[fmt.Sprintf("etc/sallyport/conf.d/%02d.toml", i)] = &fstest.MapFile{Data: []byte(strings.Repeat("[[door]]\n", 1000))}
	}
	_, err := Load(fsys, main)
	if want := dir + "conf.d/10.toml:1: more than 10000 of [[door]]"; !told(err, want) {
		t.Errorf("no mistake %q", want)
	}
	for i := range 11 {
		fsys[fmt.Sprintf("etc/sallyport/conf.d/%02d.toml", i)].Data = []byte(strings.Repeat("[[client]]\n", 10_000))
	}
	_, err = Load(fsys, main)
	if want := dir + "conf.d/10.toml:1: more than 100000 of [[client]]"; !told(err, want) {
		t.Errorf("no mistake %q", want)
	}
}

// told reports whether one of the mistakes reads so, shown or not.
func told(err error, want string) bool {
	list, _ := err.(Errors)
	for _, mistake := range list {
		if mistake.Error() == want {
			return true
		}
	}
	return false
}
