//go:build linux && !client_only

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/event"
)

// mailByHook is the script that OPERATIONS.md gives for mail, with a sendmail that
// puts what it gets into the file "spooled" of a folder.
func mailByHook(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	const sendmail = "/usr/sbin/sendmail -t"
	_, block, _ := strings.Cut(string(text), "    #!/bin/sh\n")
	script, _, _ := strings.Cut(block, "\n\n")
	if strings.Count(script, sendmail) != 1 {
		t.Fatalf("no mail is sent by %q", script)
	}
	spool := "(cat > " + dir + "/new && mv " + dir + "/new " + dir + "/spooled)"
	script = "#!/bin/sh\n" + strings.Replace(script, sendmail, spool, 1) + "\n"
	name := filepath.Join(dir, "mail")
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// From the alarm to who has seen it: through a webhook and a mail to a spool. A hook
// that might act is not run, nobody is banned, and no door is closed.
func TestExercise(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mail, acted, grants := mailByHook(t, dir), filepath.Join(dir, "acted"), sshDoor
	w := newGuarded(t, grants+fmt.Sprintf(`
[ban]
enabled = true
[[webhook]]
url = "http://127.0.0.1:8099/hook"
[[hook]]
on = ["finding"]
command = [%q]
exercise = true
[[hook]]
on = ["finding"]
command = ["/bin/touch", %q]
`, mail, acted))
	heard := w.listenForWebhooks("127.0.0.1:8099")
	w.knock(w.Client, w.Client.Gate4, sshKnocks...)
	w.open(w.Client, "tcp", at(w.Client, 22))
	var said lockedBuffer
	cmd := w.sallyport(w.Gate, "drill", "-c", w.config, "--exercise", "--severity", "critical", "--wait", "5m")
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var e event.Event
	select {
	case text := <-heard:
		if err := json.Unmarshal([]byte(text), &e); err != nil || !e.Finding.Exercise() || e.Finding.Severity != event.Critical {
			t.Fatalf("%v: %s", err, text)
		}
	case <-time.After(patience):
		t.Fatalf("the webhook has heard nothing: %s", said.String())
	}
	id := e.Finding.ID
	w.eventually("the mail is in the spool", func() bool {
		mail, err := os.ReadFile(filepath.Join(dir, "spooled"))
		return err == nil && strings.Contains(string(mail), "To: root\n") && strings.Contains(string(mail), "exercise (critical): this is an exercise")
	})
	w.eventually("the finding is in the journal", func() bool { return slices.Contains(w.findings(), "exercise critical  invalid IP") })
	w.must(w.Gate, "findings", "ack", "-c", w.config, id)
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "Acknowledged by root after ") {
		t.Errorf("%v: %s", err, said.String())
	}
	var list []event.Finding
	if err := json.Unmarshal([]byte(w.must(w.Gate, "drill", "-c", w.config, "--exercise", "--history", "--json")), &list); err != nil || len(list) != 1 || list[0].By != "root" || list[0].At.Before(list[0].First) {
		t.Errorf("%v: %+v", err, list)
	}
	w.journaled("finding "+id+" (exercise) by root, ", "--kind", "ack")
	if got := w.banned(); len(got) > 0 {
		t.Errorf("the exercise has banned %v", got)
	}
	w.open(w.Client, "tcp", at(w.Client, 22))
	if _, err := os.Stat(acted); err == nil {
		t.Error("a hook without exercise = true was run")
	}
	if _, errs, status := w.run(w.Gate, "drill", "-c", w.config, "--exercise", "--severity", "info", "--wait", "0s"); status != 1 || !strings.Contains(errs, "there has just been an exercise") && !strings.Contains(errs, "nobody is notified") {
		t.Errorf("status %d: %s", status, errs)
	}
}
