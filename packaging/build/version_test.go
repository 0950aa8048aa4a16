package main

import (
	"testing"
	"time"
)

func TestPackageVersion(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for describe, want := range map[string]string{
		"v1.2.3":                  "1.2.3",
		"1.2.3":                   "1.2.3",
		"v1.2.3-dirty":            "1.2.3+dirty",
		"v1.2.3-5-gabc1234":       "1.2.3+5.gabc1234",
		"v1.2.3-5-gabc1234-dirty": "1.2.3+5.gabc1234+dirty",
		"v1.3.0-rc1":              "1.3.0~rc1",
		"v1.3.0-rc1-2-gabc1234":   "1.3.0~rc1+2.gabc1234",
		"abc1234":                 "0~20260102.030405.abc1234",
		"1234567":                 "0~20260102.030405.1234567",
		"abc1234-dirty":           "0~20260102.030405.abc1234+dirty",
	} {
		if got := packageVersion(describe, date); got != want {
			t.Errorf("%s is version %s, want %s", describe, got, want)
		}
	}
}
