package main

import (
	"regexp"
	"strings"
	"time"
)

var (
	described  = regexp.MustCompile(`^v?([0-9][0-9A-Za-z.~+]*)(?:-([0-9]+)-g([0-9a-f]+))?$`)
	preRelease = regexp.MustCompile(`^(v?[0-9.]+)-((?:alpha|beta|rc)[0-9A-Za-z.]*)(.*)$`)
)

// packageVersion turns what git describes into a version that dpkg and rpm
// both accept and order as they should: v1.2.3 is 1.2.3, five commits later is
// 1.2.3+5.gabc1234, v1.3.0-rc1 comes before v1.3.0, and a tree without a
// release comes before all, in the order of time.
func packageVersion(describe string, date time.Time) string {
	clean, dirty := strings.CutSuffix(describe, "-dirty")
	suffix := ""
	if dirty {
		suffix = "+dirty"
	}
	clean = preRelease.ReplaceAllString(clean, "$1~$2$3")
	m := described.FindStringSubmatch(clean)
	switch {
	case m == nil || !strings.Contains(m[1], "."): // a commit's name may be all digits
		return "0~" + date.Format("20060102.150405") + "." + clean + suffix
	case m[2] == "":
		return m[1] + suffix
	}
	return m[1] + "+" + m[2] + ".g" + m[3] + suffix
}
