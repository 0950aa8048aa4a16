package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// schemaVersion is kept in the file's user_version.
const schemaVersion = 1

// The partial indexes leave out what has no door or client: hostile rows are
// the most, and should cost little. For the classes see row.go.
const schema = `
CREATE TABLE IF NOT EXISTS events (
	id      INTEGER PRIMARY KEY,
	time    INTEGER NOT NULL,             -- microseconds since 1970
	class   INTEGER NOT NULL,             -- see classOf
	kind    TEXT    NOT NULL,
	door    TEXT    NOT NULL,
	client  TEXT    NOT NULL,
	source  BLOB    NOT NULL,             -- 16 bytes, IPv4 mapped; or none
	reason  TEXT    NOT NULL,
	detail  TEXT    NOT NULL,
	progress INTEGER NOT NULL,            -- of a broken sequence: right knocks * 256 + its length; and see progressOf
	packets INTEGER NOT NULL,
	ports   INTEGER NOT NULL,
	first   INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	hash    BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS events_time   ON events (time);
CREATE INDEX IF NOT EXISTS events_source ON events (source, time) WHERE source <> x'';
CREATE INDEX IF NOT EXISTS events_client ON events (client, time) WHERE client <> '';
CREATE INDEX IF NOT EXISTS events_door   ON events (door, time) WHERE door <> '';
CREATE INDEX IF NOT EXISTS events_kind   ON events (kind, reason, time);
CREATE TABLE IF NOT EXISTS heads (
	class  INTEGER PRIMARY KEY,
	before BLOB NOT NULL,                 -- hash before the first row that is still here
	last   INTEGER NOT NULL,              -- id of the last row ever written
	hash   BLOB NOT NULL                  -- and its hash
) STRICT;
CREATE TABLE IF NOT EXISTS findings (
	id TEXT PRIMARY KEY, rule TEXT NOT NULL, severity TEXT NOT NULL, rank INTEGER NOT NULL,
	source BLOB NOT NULL, door TEXT NOT NULL, client TEXT NOT NULL,
	first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
	explanation TEXT NOT NULL, advice TEXT NOT NULL, evidence TEXT NOT NULL,
	acknowledged INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS findings_last ON findings (last);
` + acknowledgements + `
INSERT OR IGNORE INTO heads VALUES (0, x'', 0, x''), (1, x'', 0, x''), (2, x'', 0, x''), (3, x'', 0, x'');
`

// acknowledgements has who acknowledged which finding, and when; files of earlier
// versions have no such table until something is acknowledged.
const acknowledgements = `
CREATE TABLE IF NOT EXISTS acknowledgements (finding TEXT PRIMARY KEY, user TEXT NOT NULL, time INTEGER NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS findings_gone AFTER DELETE ON findings BEGIN DELETE FROM acknowledgements WHERE finding = OLD.id; END;`

// address returns what database/sql opens a file by.
func address(path string, parameters ...string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(parameters, "&")
}

// openWriter opens the file for the one writer, and makes what is missing.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// Made here and not by SQLite, so that it is nobody else's from the start.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", address(path, "_txlock=immediate",
		"_pragma=busy_timeout(2000)", "_pragma=auto_vacuum(2)", "_pragma=journal_mode(WAL)", "_pragma=synchronous(NORMAL)",
		fmt.Sprintf("_pragma=wal_autocheckpoint(%d)", walPages), fmt.Sprintf("_pragma=journal_size_limit(%d)", 2*walPages*4096), "_pragma=cache_size(-8192)", "_pragma=temp_store(2)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := prepare(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func prepare(ctx context.Context, db *sql.DB) error {
	version, err := versionOf(ctx, db)
	switch {
	case err != nil:
		return err
	case version > schemaVersion:
		return errNewer(version)
	}
	// All at once: a reader sees the whole of it, or an empty file.
	_, err = db.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", schema, schemaVersion))
	if err != nil {
		_, _ = db.ExecContext(ctx, "ROLLBACK") // there may be nothing to undo
	}
	return err
}

func versionOf(ctx context.Context, db *sql.DB) (version int, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}

func errNewer(version int) error {
	return fmt.Errorf("it was written by a newer sallyport (format %d, this one knows %d): use that one, or move the file away", version, schemaVersion)
}
