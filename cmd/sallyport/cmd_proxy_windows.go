package main

import (
	"errors"
	"net"
)

// passDescriptor fails: ssh takes no connections here.
func passDescriptor(net.Conn) error { return errors.New("--fdpass does not exist on Windows") }
