//go:build client_only

package main

import "sallyport/internal/plainjson"

// indentedJSON does without encoding/json, which a router has no room for.
func indentedJSON(v any) []byte { return plainjson.Indented(v) }
