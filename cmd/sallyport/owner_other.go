//go:build !unix

package main

import (
	"io/fs"
	"syscall"
)

func ownerOf(fs.FileInfo) (uid uint32, ok bool) { return 0, false }

func ownSession() *syscall.SysProcAttr { return nil }
