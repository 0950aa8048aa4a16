//go:build linux && !client_only

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestImportSequences(t *testing.T) {
	list, _, status := imports(t, "# 1,2\n 7000:udp,8000,9000\n 9001,8001:udp\n", "sequences", "-")
	if status != exitDone {
		t.Fatalf("status %d", status)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ssh.sequences")
	config := filepath.Join(dir, "sallyport.toml")
	for path, text := range map[string]string{file: list, config: "[[door]]\nname = \"ssh\"\nports = [\"tcp/22\"]\nsequences_file = \"" + file + "\"\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := loadConfig(config)
	if err != nil || len(cfg.Doors[0].OneTime) != 2 {
		t.Errorf("%v\n%s", err, list)
	}
}
