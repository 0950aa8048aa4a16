// Package geo tells in which country an address is, from a database in
// MaxMind's format (GeoLite2-Country, DB-IP Country Lite) on this host. Nobody
// is asked over a network.
package geo

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database is an opened database. It may be used by several goroutines at once.
type Database struct{ reader *maxminddb.Reader }

// maxSize is far beyond what databases of countries have (about 10 MB).
const maxSize = 256 << 20

// Open reads a database into memory, so that anyone who replaces the file later
// does not pull it from under us.
func Open(path string) (*Database, error) {
	info, err := os.Stat(path)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxSize) {
		err = fmt.Errorf("%s is not a file of at most %d MiB", path, maxSize>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("open database of countries: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open database of countries: %w", err)
	}
	reader, err := maxminddb.OpenBytes(data)
	if err == nil { // the tree and the data that it leads to, not every record: that takes a second
		err = reader.Lookup(netip.IPv6Unspecified()).Err()
	}
	if err != nil {
		return nil, fmt.Errorf("database of countries %s: %w", path, err)
	}
	return &Database{reader}, nil
}

// Country returns the two letters of the country of an address (ISO 3166-1), or
// nothing if the database does not know it.
func (d *Database) Country(a netip.Addr) string {
	var code string
	if err := d.reader.Lookup(a.Unmap()).DecodePath(&code, "country", "iso_code"); err != nil || !valid(code) {
		return ""
	}
	return code
}

// valid keeps anything but a country's code out of findings.
func valid(code string) bool {
	return len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
}
