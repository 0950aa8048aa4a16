package config

import (
	"errors"
	"io/fs"
	"path"

	"github.com/pelletier/go-toml/v2/unstable"

	"sallyport/internal/packet"
)

// More doors and clients than this are taken for a mistake.
const (
	maxDoors   = 10_000
	maxClients = 100_000
)

// loader carries what is known while a configuration is read.
type loader struct {
	config  Config
	modes   map[string]fs.FileMode // of the files read, by path
	doors   []*section             // parallel to config.Doors
	clients []*section             // parallel to config.Clients
	groups  []*section             // parallel to config.Groups
	hooks   []*section             // parallel to config.Hooks
	gate    *section
	ban     *section
	fleet   *section
	owners  map[packet.Port]int // index of the door that has the port
	errs    Errors

	authorizedAt Place // of the key authorized_keys
}

func newLoader(absolute string) *loader {
	return &loader{
		config: Config{Path: path.Clean(absolute)},
		modes:  make(map[string]fs.FileMode),
		owners: make(map[packet.Port]int),
	}
}

// Load reads the configuration whose main file has the given absolute path, in
// a file system rooted at "/" (os.DirFS("/")). The error is of type Errors and
// tells every mistake found; then there is no configuration.
func Load(fsys fs.FS, absolute string) (*Config, error) {
	if !path.IsAbs(absolute) {
		return nil, Errors{{Place{File: absolute}, errors.New("is not an absolute path")}}
	}
	l := newLoader(absolute)
	root, whole := l.read(fsys)
	l.document(root)
	l.readAuthorizedKeys(fsys)
	l.readSequences(fsys)
	l.expandGroups()
	// With a file missing, what the tables say about each other would
	// mislead: the door that a client names may stand in that file.
	if whole {
		l.crossCheck()
	}
	if err := l.errs.sorted(); err != nil {
		return nil, err
	}
	return &l.config, nil
}

// Socket returns the control socket that a configuration names, as far as it
// can be read at all: what else is wrong with it must not keep anybody from
// reaching the daemon. known reports whether all files could be read: else
// what names the socket may be in one of those that could not.
func Socket(fsys fs.FS, absolute string) (socket string, known bool) {
	l := newLoader(absolute)
	if path.IsAbs(absolute) {
		var root *table
		root, known = l.read(fsys)
		l.document(root)
	}
	if l.config.Daemon.Socket == "" {
		return DefaultSocket, known
	}
	return l.config.Daemon.Socket, known
}

// read merges the trees of all files. It reports whether all were readable.
func (l *loader) read(fsys fs.FS) (root *table, whole bool) {
	root = newTable(Place{File: l.config.Path})
	whole = true
	paths, err := files(fsys, l.config.Path)
	if err != nil {
		whole = false
		l.errs.add(Place{File: folder(l.config.Path)}, "%w", err)
	}
	total := 0
	for _, p := range paths {
		f, err := read(fsys, p)
		if err != nil {
			l.errs.add(Place{File: p}, "%w", err)
			whole = false
			continue
		}
		if total += len(f.data); total > maxTotal {
			l.errs.add(Place{File: p}, "all files together have more than %d bytes", maxTotal)
			return root, false
		}
		if f.mode&0o002 != 0 {
			l.errs.add(Place{File: p}, "everybody may change this file (mode %04o): run chmod o-w %s", f.mode.Perm(), p)
		}
		l.modes[p] = f.mode
		tree, ok := parse(f, &l.errs)
		whole = whole && ok
		root.merge(tree, &l.errs)
	}
	return root, whole
}

// document reads every table of the merged files.
func (l *loader) document(root *table) {
	s := l.section("", root)
	l.readDaemon(l.single(s, "daemon"))
	l.readGate(l.single(s, "gate"))
	l.readSPA(l.single(s, "spa"))
	l.readRotating(l.single(s, "rotating"))
	l.readJournal(l.single(s, "journal"))
	l.readMetrics(l.single(s, "metrics"))
	l.readAPI(l.single(s, "api"))
	l.readDetect(l.single(s, "detect"))
	l.readBan(l.single(s, "ban"))
	l.readMoat(l.single(s, "moat"))
	l.readFleet(l.single(s, "fleet"))
	for _, t := range l.several(s, "door", maxDoors) {
		l.readDoor(t)
	}
	for _, t := range l.several(s, "group", maxGroups) {
		l.readGroup(t)
	}
	for _, t := range l.several(s, "client", maxClients) {
		l.readClient(t)
	}
	for _, t := range l.several(s, "hook", maxHooks) {
		l.readHook(t)
	}
	for _, t := range l.several(s, "webhook", maxWebhooks) {
		l.readWebhook(t)
	}
	s.finish()
}

// single returns the table [key], empty if it is not there.
func (l *loader) single(root *section, key string) *table {
	v := root.get(key)
	if v == nil {
		return newTable(root.table.place)
	}
	if v.table == nil {
		root.errorf(v.place, "%q is not a table: write it as [%s]", key, key)
		return newTable(v.place)
	}
	return v.table
}

// several returns the tables [[key]], at most most of them.
func (l *loader) several(root *section, key string, most int) []*table {
	v := root.get(key)
	if v == nil {
		return nil
	}
	if v.kind != unstable.Array {
		root.errorf(v.place, "%q is not a list of tables: write each as [[%s]]", key, key)
		return nil
	}
	var tables []*table
	for i := range v.items {
		item := &v.items[i]
		if item.table == nil {
			root.errorf(item.place, "%q is not a list of tables: write each as [[%s]]", key, key)
			break
		}
		if i == most {
			root.errorf(item.place, "more than %d of [[%s]]", most, key)
			break
		}
		tables = append(tables, item.table)
	}
	return tables
}

func (l *loader) section(kind string, t *table) *section {
	return &section{kind: kind, table: t, errs: &l.errs}
}
