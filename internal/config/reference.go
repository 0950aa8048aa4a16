package config

import _ "embed" // for Reference

// Reference is a commented configuration with every key, its default and its
// range. It loads as it stands.
//
//go:embed reference.toml
var Reference string
