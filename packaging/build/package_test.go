package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// stage is where made puts the files of packages; TestMain makes and removes it.
var stage string

// made makes the files of packages once, for all tests.
var made = sync.OnceValue(func() error { return testSource("0").fill(context.Background(), stage) })

func testSource(version string) source {
	root, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return source{root: root, target: target{os: "linux", arch: runtime.GOARCH}, version: version, date: time.Unix(1_700_000_000, 0).UTC()}
}

// packed makes a package of some version.
func packed(t *testing.T, kind, version string) string {
	t.Helper()
	if err := made(); err != nil {
		t.Fatal(err)
	}
	name, err := testSource(version).pack(kind, stage, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestSameSourceSameBytes(t *testing.T) {
	for _, kind := range []string{"deb", "rpm"} {
		one, two := packed(t, kind, "1.0.0"), packed(t, kind, "1.0.0")
		a, err := os.ReadFile(one)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(two)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("two %s packages of the same source differ", kind)
		}
	}
}

// A machine lives through what an administrator does with the package.
func TestPackageOnDebian(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	unspoilt := m.named()
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.neverStartsByItself()
	m.guards()
	m.reloads()
	before := m.must("systemctl", "show", "-p", "MainPID", "sallyport")
	m.install(packed(t, "deb", "1.0.1"), "dpkg", "-i")
	m.survived(before)
	m.must("systemctl", "enable", "--now", "sallyport-report.timer")
	m.must("systemctl", "start", "sallyport-report.service")
	m.must("systemctl", "enable", "--now", "sallyport-exercise.timer")
	if out := m.must("dpkg", "--remove", "sallyport"); !strings.Contains(out, "its doors are open") {
		t.Errorf("removing says %q", out)
	}
	m.open()
	for _, path := range []string{"/etc/sallyport/sallyport.toml", "/var/lib/sallyport/server.key"} {
		m.must("test", "-e", path)
	}
	m.must("dpkg", "--purge", "sallyport")
	m.fails("getent", "passwd", "sallyport")
	m.fails("getent", "group", "sallyport")
	if after := m.named(); after != unspoilt {
		m.Errorf("files before\n%s\nand after purging\n%s", unspoilt, after)
	}
	// It forgets what is gone when it has nothing else to do.
	m.must("bash", "-c", "for n in {1..600}; do known=$(systemctl list-units --all --no-legend 'sallyport*'); [ -n \"$known\" ] || exit 0; sleep 0.1; done; echo \"systemd still knows $known\"; exit 1")
}

func TestPackageWithRPM(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "rpm", "1.0.0"), "rpm", "--nodeps", "-i")
	m.neverStartsByItself()
	m.guards()
	before := m.must("systemctl", "show", "-p", "MainPID", "sallyport")
	m.install(packed(t, "rpm", "1.0.1"), "rpm", "--nodeps", "-U")
	m.survived(before)
	if out := m.must("rpm", "-e", "sallyport"); !strings.Contains(out, "its doors are open") {
		t.Errorf("removing says %q", out)
	}
	m.open()
	m.fails("test", "-e", "/usr/bin/sallyport")
	m.must("test", "-e", "/etc/sallyport/sallyport.toml")
}

// Removing the package in a chroot leaves the network of the host alone.
func TestRemoveInChroot(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.guards()
	m.must("unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /run/systemd && dpkg --remove sallyport")
	m.must("nft", "list", "table", "inet", "sallyport")
	m.fails("test", "-L", "/etc/systemd/system/sysinit.target.wants/sallyport.service") // or it would dangle
}

// The console of a package: off until it is switched on, without any privilege and without a
// look at the daemon's secrets, and small. A link lets root in, and what is ordered is in the
// journal under his name.
func TestConsoleOfPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.must("sallyport", "init", "--door", "ssh=tcp/22", "--console")
	m.must("systemctl", "enable", "--now", "sallyport", "sallyport-console")
	pid := m.must("systemctl", "show", "-P", "MainPID", "sallyport-console")
	status := m.must("cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want) {
			t.Errorf("the console has not %q:\n%s", want, status)
		}
	}
	for _, dir := range []string{"/etc/sallyport", "/var/lib/sallyport"} {
		m.fails("setpriv", "--reuid=sallyport-console", "--regid=sallyport-console", "--clear-groups", "ls", dir)
	}
	link := m.must("sallyport", "console", "login", "--user", "alice")
	base, token, ok := strings.Cut(strings.Fields(link)[0], "/#login=")
	if !ok {
		t.Fatalf("the link is %q", link)
	}
	ask := func(args ...string) string {
		m.Helper()
		return m.must(append([]string{"curl", "-sS", "-b", "/root/jar", "-c", "/root/jar", "-H", "Origin: " + base, "-H", "Content-Type: application/json"}, args...)...)
	}
	_, session, _ := strings.Cut(ask("-d", `{"link":"`+token+`"}`, base+"/session"), `{"session":"`)
	session, _, _ = strings.Cut(session, `"`)
	if out := ask("-H", "Sallyport-Session: "+session, base+"/v1/status"); !strings.Contains(out, `"doors":[{"name":"ssh"`) {
		t.Errorf("the status is %s", out)
	}
	if out := ask("-H", "Sallyport-Session: "+session, "-d", `{"door":"ssh","source":"192.0.2.7"}`, base+"/v1/open"); !strings.Contains(out, `"source":"192.0.2.7"`) {
		t.Errorf("opened: %s", out)
	}
	for deadline := time.Now().Add(time.Minute); !strings.Contains(m.must("sallyport", "events", "--json"), "sallyport-console says alice"); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the journal does not say who opened:\n%s", m.must("sallyport", "events"))
		}
	}
	resident := 0
	for line := range strings.Lines(m.must("cat", "/proc/"+pid+"/status")) {
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &resident); err == nil {
			break
		}
	}
	t.Logf("the console takes %d KiB", resident)
	if resident == 0 || resident > 40<<10 {
		t.Errorf("the console takes %d KiB, want at most 40 MiB", resident)
	}
	m.must("dpkg", "--purge", "sallyport")
	if left := m.named(); left != "" {
		t.Errorf("left over:\n%s", left)
	}
}

// The page for those who ask, of a package: off until it is switched on, for a proxy until its
// options say otherwise, without any privilege and without a look at others' secrets. Who asks there is in
// the list, with the address that the proxy names.
func TestAsksOfPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.must("sallyport", "init", "--door", "ssh=tcp/22")
	m.must("sh", "-c", `printf '[api]\nask = ["sallyport-asks"]\n' >/etc/sallyport/conf.d/asks.toml`)
	m.must("systemctl", "enable", "--now", "sallyport", "sallyport-asks")
	status := m.must("cat", "/proc/"+m.must("systemctl", "show", "-P", "MainPID", "sallyport-asks")+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, want) {
			t.Errorf("the page has not %q:\n%s", want, status)
		}
	}
	for _, dir := range []string{"/etc/sallyport", "/var/lib/sallyport", "/etc/sallyport-console", "/var/lib/sallyport-console"} {
		m.fails("setpriv", "--reuid=sallyport-asks", "--regid=sallyport-asks", "--clear-groups", "ls", dir)
	}
	m.must("curl", "-sSf", "-H", "X-Forwarded-For: 192.0.2.7", "-H", "Origin: http://127.0.0.1:9480", "-d", "note=bob", "http://127.0.0.1:9480/")
	if out := m.must("sallyport", "asks"); !strings.Contains(out, "192.0.2.7") || !strings.Contains(out, "bob") {
		t.Errorf("who asks: %s", out)
	}
	m.must("sh", "-c", "echo 'OPTIONS=--listen 127.0.0.1:9481' >/etc/sallyport-asks/options")
	m.must("systemctl", "restart", "sallyport-asks")
	m.must("curl", "-sSf", "http://127.0.0.1:9481/")
	m.must("dpkg", "--purge", "sallyport")
	m.fails("getent", "passwd", "sallyport-asks")
	if left := m.named(); left != "" {
		t.Errorf("left over:\n%s", left)
	}
}

// named lists the files that have our name where packages put files. man-db
// keeps pages that were looked at.
func (m machine) named() string {
	m.Helper()
	return m.must("sh", "-c", "find /etc /usr /var /run /sys/fs/bpf -iname '*sallyport*' -not -path '/var/cache/man/*' | sort")
}

// install copies a package into the machine, installs it, and returns what
// that says.
func (m machine) install(name string, command ...string) string {
	m.Helper()
	// The machine's root lies over this one's, but its /tmp is its own.
	text, err := os.ReadFile(name)
	if err != nil {
		m.Fatal(err)
	}
	inside := "/root/" + filepath.Base(name)
	if err := os.WriteFile(m.path(inside), text, 0o644); err != nil {
		m.Fatal(err)
	}
	return m.must(append(command, inside)...)
}

// neverStartsByItself holds after the first installation.
func (m machine) neverStartsByItself() {
	m.Helper()
	if out := m.fails("systemctl", "is-enabled", "sallyport"); out != "disabled" {
		m.Errorf("the unit is %s", out)
	}
	for _, unit := range []string{"sallyport-console", "sallyport-asks"} {
		if out := m.fails("systemctl", "is-enabled", unit); out != "disabled" {
			m.Errorf("%s is %s", unit, out)
		}
	}
	m.must("systemctl", "start", "sallyport") // nor when told to: there is no configuration
	m.open()
	for path, want := range map[string]string{
		"/etc/sallyport": "750 root sallyport", "/etc/sallyport/conf.d": "750 root sallyport",
		"/var/lib/sallyport": "700 sallyport sallyport", "/usr/bin/sallyport": "755 root root", "/etc/sallyport-console": "750 root sallyport-console",
		"/etc/sallyport-asks": "750 root sallyport-asks",
	} {
		if got := m.must("stat", "-c", "%a %U %G", path); got != want {
			m.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if m.version() >= 250 { // before, verify knew absolute paths only, and security nothing of files
		for unit, threshold := range map[string]string{"sallyport": "25", "sallyport-console": "20", "sallyport-asks": "20"} { // exposure of 2.5 and 2 of 10 at most
			unit = "/usr/lib/systemd/system/" + unit + ".service"
			m.must("systemd-analyze", "verify", unit)
			m.must("systemd-analyze", "security", "--offline=true", "--threshold="+threshold, unit)
		}
	}
	for _, page := range []string{"man1/sallyport-knock.1", "man5/sallyport.toml.5", "man8/sallyport-init.8"} {
		m.must("test", "-e", "/usr/share/man/"+page+".gz")
	}
	m.must("bash", "-n", "/usr/share/bash-completion/completions/sallyport")
}

// open holds where no daemon and no table are.
func (m machine) open() {
	m.Helper()
	if out := m.fails("systemctl", "is-active", "sallyport"); out != "inactive" {
		m.Errorf("the unit is %s", out)
	}
	m.fails("nft", "list", "table", "inet", "sallyport")
}

// guards makes a configuration, starts the daemon and opens a door.
func (m machine) guards() {
	m.Helper()
	m.must("sallyport", "init", "--door", "ssh=tcp/22")
	m.must("systemctl", "enable", "--now", "sallyport")
	pid := m.must("systemctl", "show", "-P", "MainPID", "sallyport")
	status := m.must("cat", "/proc/"+pid+"/status")
	// CAP_NET_ADMIN is 12 and CAP_NET_RAW 13 in linux/capability.h.
	for _, want := range []string{"CapEff:\t0000000000003000", "CapBnd:\t0000000000003000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			m.Errorf("the daemon's status has no %q:\n%s", want, status)
		}
	}
	if user := m.must("stat", "-c", "%U", "/proc/"+pid); user != "sallyport" {
		m.Errorf("the daemon runs as %s", user)
	}
	if before := m.must("systemctl", "show", "-P", "Before", "sallyport"); !strings.Contains(before, "network-pre.target") {
		m.Errorf("the unit comes before %s only", before)
	}
	m.must("sallyport", "open", "ssh", "--source", "192.0.2.7", "--for", "10m")
	m.granted()
	m.journaled("msg=grant door=ssh source=192.0.2.7", "SALLYPORT_KIND=grant", "SALLYPORT_SOURCE=192.0.2.7", "PRIORITY=6")
}

// reloads holds where systemctl reports whether a configuration has been taken.
func (m machine) reloads() {
	m.Helper()
	const config = "/etc/sallyport/sallyport.toml"
	m.must("systemctl", "reload", "sallyport")
	m.must("sh", "-c", "cp -p "+config+" /root/good && echo nonsense >> "+config)
	m.fails("systemctl", "reload", "sallyport")
	m.must("systemctl", "is-active", "sallyport")
	m.granted()
	m.must("cp", "-p", "/root/good", config)
	m.must("systemctl", "reload", "sallyport")
}

// journaled holds when the journal of systemd finds a line by its fields, soon.
func (m machine) journaled(line string, fields ...string) {
	m.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		out, err := m.try(append([]string{"journalctl", "--no-pager", "-o", "cat", "-u", "sallyport"}, fields...)...)
		if err == nil && strings.Contains(out, line) {
			return
		}
		if time.Now().After(deadline) {
			m.Fatalf("the journal has nothing with %q: %v\n%s", fields, err, out)
		}
	}
}

// granted holds while the grant of guards is in the kernel.
func (m machine) granted() {
	m.Helper()
	if out := m.must("nft", "-n", "list", "table", "inet", "sallyport"); !strings.Contains(out, "192.0.2.7 . 6 . 22") {
		m.Errorf("the grant is gone:\n%s", out)
	}
}

// survived holds after an upgrade: another process, the same grant.
func (m machine) survived(before string) {
	m.Helper()
	m.must("systemctl", "is-active", "sallyport")
	if m.must("systemctl", "show", "-p", "MainPID", "sallyport") == before {
		m.Errorf("the daemon was not restarted")
	}
	m.granted()
	if out := m.must("sallyport", "status"); !strings.Contains(out, "192.0.2.7") {
		m.Errorf("the new daemon does not know the grant:\n%s", out)
	}
}

// Without a package init makes the unit and the user.
func TestInitWithoutPackage(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := made(); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(stage, "sallyport"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/root/sallyport", "/usr/local/bin/sallyport"} {
		if err := os.WriteFile(m.path(path), program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out := m.fails("/root/sallyport", "init", "--yes"); !strings.Contains(out, "hint: install -m 0755 /root/sallyport /usr/local/bin/") {
		t.Errorf("a program in a home says %q", out)
	}
	m.fails("test", "-e", "/etc/sallyport")
	m.guards()
	if out := m.fails("sallyport", "init", "--yes"); !strings.Contains(out, "is there already") {
		t.Errorf("a second init says %q", out)
	}
	m.granted()
}

// The drop-in for the moat, used as it says, gives two capabilities more.
func TestMoatDropIn(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i")
	m.guards()
	m.must("sh", "-e", "-c", `
mount -t bpf bpf /sys/fs/bpf
dir=/etc/systemd/system/sallyport.service.d
mkdir -p $dir
sed '/^#$/,$s/^#//' /usr/share/doc/sallyport/examples/moat.conf > $dir/moat.conf
# Older ones look for no program in the path there, although they start it.
[ "$(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p')" -lt 250 ] || systemd-analyze verify /usr/lib/systemd/system/sallyport.service
systemctl daemon-reload
systemctl restart sallyport`)
	status := m.must("cat", "/proc/"+m.must("systemctl", "show", "-P", "MainPID", "sallyport")+"/status")
	// CAP_PERFMON is 38 and CAP_BPF 39.
	if !strings.Contains(status, "CapEff:\t000000c000003000") {
		t.Errorf("the daemon's status:\n%s", status)
	}
	if got := m.must("stat", "-c", "%a %U %G", "/sys/fs/bpf/sallyport"); got != "700 sallyport sallyport" {
		t.Errorf("the folder of the moat is %q", got)
	}
	m.granted()
	m.must("dpkg", "--purge", "sallyport")
	m.fails("test", "-e", "/sys/fs/bpf/sallyport")
}

// Where there is no bpf file system, as in most containers, installing says
// nothing about it, and the drop-in keeps nothing from starting.
func TestWithoutBPF(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.must("test", "!", "-e", "/sys/fs/bpf/sallyport")
	if out := m.install(packed(t, "deb", "1.0.0"), "dpkg", "-i"); strings.Contains(out, "bpf") {
		t.Errorf("installing says\n%s", out)
	}
}
