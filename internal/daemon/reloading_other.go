//go:build !unix

package daemon

func reloading() []string { return []string{"RELOADING=1"} }
