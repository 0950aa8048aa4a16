package main

import (
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
)

const description = `port knocking that stays silent and opens one door for one source
Services stay closed and silent at the firewall. Anyone who proves a secret, by a
sequence of knocks or one encrypted packet signed with an SSH key, gets one
door, for one source address, for a short time, and the kernel closes it again.`

// info describes the package of a kind ("deb" or "rpm") whose files were made
// in stage.
func (s source) info(kind, stage string) *nfpm.Info {
	scripts := filepath.Join(s.root, "packaging", "scripts")
	info := &nfpm.Info{
		Name:          s.name(),
		Arch:          s.packageArch(),
		Platform:      "linux",
		Version:       s.version,
		VersionSchema: "none",
		Section:       "net",
		Priority:      "optional",
		Maintainer:    "The Sallyport authors <sallyport@localhost>",
		Description:   description,
		License:       "Apache-2.0",
		MTime:         s.date,
		Overridables: nfpm.Overridables{
			Contents: s.contents(kind, stage),
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(scripts, "postinstall"),
				PreRemove:   filepath.Join(scripts, "preremove"),
				PostRemove:  filepath.Join(scripts, "postremove"),
			},
			Depends: []string{"systemd", "/usr/sbin/useradd"},
		},
	}
	info.RPM.BuildHost = "localhost" // not the name of the machine that builds
	info.RPM.Summary = "Port knocking that stays silent and opens one door for one source"
	if kind == "deb" {
		info.Depends = []string{
			"systemd | systemd-standalone-sysusers | systemd-sysusers",
			"systemd | systemd-standalone-tmpfiles | systemd-tmpfiles",
			"passwd",
		}
		info.Recommends = []string{"openssh-client"}
		info.Suggests = []string{"bash-completion"} // without it bash does not read ours
		info.Deb.Compression = "xz"
	}
	s.relate(kind, info)
	return nfpm.WithDefaults(info)
}

// relate says how the package and that of the client alone go together: the whole
// program takes the client's place, but nobody loses a server by installing a client.
func (s source) relate(kind string, info *nfpm.Info) {
	if s.client {
		info.Scripts, info.Depends = nfpm.Scripts{}, nil
		info.Contents = s.contentsOfClient(info.Contents)
		info.Conflicts = []string{"sallyport"}
		return
	}
	info.Provides, info.Conflicts = []string{"sallyport-client"}, []string{"sallyport-client"}
	if kind == "deb" {
		info.Replaces = []string{"sallyport-client"}
	}
}

// watchUnit is for users, of servers and of clients.
const watchUnit = "sallyport-watch@.service"

// contentsOfClient are those that do not belong to a server.
func (s source) contentsOfClient(all files.Contents) (list files.Contents) {
	for _, f := range all {
		f.Destination = strings.Replace(f.Destination, "/doc/sallyport/", "/doc/sallyport-client/", 1)
		switch {
		case filepath.Base(f.Source) == watchUnit:
			list = append(list, f)
		case strings.Contains(f.Source, filepath.Join(s.root, "internal")), strings.Contains(f.Source, filepath.Join(s.root, "packaging")):
		case strings.Contains(f.Destination, "/docs/"), strings.Contains(f.Destination, "/man5/"), strings.Contains(f.Destination, "/man8/"):
		default:
			list = append(list, f)
		}
	}
	return list
}

// minimal is what fits on a router.
func (s source) minimal(stage string) files.Contents {
	file := func(from, to string, mode fs.FileMode) *files.Content {
		return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: s.date}}
	}
	list := files.Contents{file(filepath.Join(stage, "sallyport"), "/usr/bin/sallyport", 0o755)}
	if !s.client {
		service := filepath.Join(s.root, "packaging", "service")
		list = append(list, file(filepath.Join(service, "procd"), "/etc/init.d/sallyport", 0o755),
			file(filepath.Join(service, "keep"), "/lib/upgrade/keep.d/sallyport", 0o644)) // what an upgrade of the system leaves
	}
	return list
}

// documents are for those who install a package, with all that their links lead to.
var documents = []string{
	"README.md", "README.ja.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md",
	"docs/API.md", "docs/openapi.yaml", "docs/ARCHITECTURE.md", "docs/CLIENT.md", "docs/CONSOLE.md", "docs/DECISIONS.md", "docs/DRILL.md", "docs/FINDINGS.md", "docs/FLEET.md", "docs/GLOSSARY.md", "docs/LINT.md", "docs/METRICS.md", "docs/OPERATIONS.md", "docs/POCKET.md", "docs/model/README.md",
	"docs/PERFORMANCE.md", "docs/PLATFORMS.md", "docs/PROTOCOL.md", "docs/THREATS.md", "docs/VPS.md", "docs/ja/GUIDANCE.md", "docs/ja/VPS.md",
	"docs/pictures/demo.svg", "docs/pictures/report-en.png", "docs/pictures/report-ja.png",
	"docs/pictures/console-en.png", "docs/pictures/console-en-phone.png", "docs/pictures/console-ja.png", "docs/pictures/console-ja-phone.png",
}

// contents lists the files of a package.
func (s source) contents(kind, stage string) files.Contents {
	ours := func(parts ...string) string { return filepath.Join(append([]string{s.root}, parts...)...) }
	made := func(parts ...string) string { return filepath.Join(append([]string{stage}, parts...)...) }
	file := func(from, to string, mode fs.FileMode) *files.Content {
		return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: s.date}}
	}
	const share, lib = "/usr/share/", "/usr/lib/"
	list := files.Contents{
		file(made("sallyport"), "/usr/bin/sallyport", 0o755),
		file(ours("internal", "unit", "sallyport.service"), lib+"systemd/system/sallyport.service", 0o644),
		file(ours("internal", "unit", "sallyport-report.service"), lib+"systemd/system/sallyport-report.service", 0o644),
		file(ours("internal", "unit", "sallyport-report.timer"), lib+"systemd/system/sallyport-report.timer", 0o644),
		file(ours("internal", "unit", "sallyport-exercise.service"), lib+"systemd/system/sallyport-exercise.service", 0o644),
		file(ours("internal", "unit", "sallyport-exercise.timer"), lib+"systemd/system/sallyport-exercise.timer", 0o644),
		file(ours("internal", "unit", "sallyport-console.service"), lib+"systemd/system/sallyport-console.service", 0o644),
		file(ours("internal", "unit", "sallyport-asks.service"), lib+"systemd/system/sallyport-asks.service", 0o644),
		file(ours("internal", "unit", "sysusers.conf"), lib+"sysusers.d/sallyport.conf", 0o644),
		file(ours("internal", "unit", "tmpfiles.conf"), lib+"tmpfiles.d/sallyport.conf", 0o644),
		file(ours("packaging", "service", watchUnit), lib+"systemd/user/"+watchUnit, 0o644),
		file(made("completions", "sallyport"), share+"bash-completion/completions/sallyport", 0o644),
		file(made("completions", "sallyport.fish"), share+"fish/vendor_completions.d/sallyport.fish", 0o644),
		file(ours("internal", "config", "reference.toml"), share+"doc/sallyport/reference.toml", 0o644),
		file(ours("internal", "config", "console.toml"), share+"doc/sallyport/console.toml", 0o644),
		file(ours("internal", "unit", "moat.conf"), share+"doc/sallyport/examples/moat.conf", 0o644),
		file(ours("packaging", "fail2ban", "filter.d", "sallyport.conf"), share+"doc/sallyport/examples/fail2ban/filter.d/sallyport.conf", 0o644),
		file(ours("packaging", "fail2ban", "jail.d", "sallyport.conf"), share+"doc/sallyport/examples/fail2ban/jail.d/sallyport.conf", 0o644),
		file(ours("packaging", "crowdsec", "parsers", "sallyport-logs.yaml"), share+"doc/sallyport/examples/crowdsec/parsers/sallyport-logs.yaml", 0o644),
		file(ours("packaging", "crowdsec", "scenarios", "sallyport-ban.yaml"), share+"doc/sallyport/examples/crowdsec/scenarios/sallyport-ban.yaml", 0o644),
		file(ours("packaging", "crowdsec", "scenarios", "sallyport-misuse.yaml"), share+"doc/sallyport/examples/crowdsec/scenarios/sallyport-misuse.yaml", 0o644),
		file(ours("packaging", "grafana", "sallyport.json"), share+"doc/sallyport/examples/grafana.json", 0o644),
		file(made("copyright"), share+"doc/sallyport/copyright", 0o644),
		file(made("changelog.gz"), share+"doc/sallyport/changelog.gz", 0o644),
	}
	for _, section := range []string{"1", "5", "8"} {
		list = append(list, file(made("man", "*."+section+".gz"), share+"man/man"+section+"/", 0o644))
	}
	for _, name := range []string{"openrc", "procd", "runit"} {
		list = append(list, file(ours("packaging", "service", name), share+"doc/sallyport/examples/service/"+name, 0o755))
	}
	for _, name := range documents {
		list = append(list, file(ours(filepath.FromSlash(name)), share+"doc/sallyport/"+name, 0o644))
	}
	zsh := share + "zsh/vendor-completions/_sallyport"
	if kind == "rpm" {
		zsh = share + "zsh/site-functions/_sallyport"
	}
	return append(list, file(made("completions", "_sallyport"), zsh, 0o644))
}
