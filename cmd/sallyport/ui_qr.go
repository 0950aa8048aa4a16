//go:build linux && !client_only

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"

	"sallyport/client"
)

// quietZone is the margin that readers of QR codes want, in modules.
const quietZone = 4

// printQR prints what rotating sequences need as a QR code, dark on light
// whatever the colours of the terminal are, two modules a character.
func printQR(w io.Writer, p *client.Profile) error {
	if p.Rotating.IsZero() {
		return hinted{errors.New("there is no secret for rotating sequences, and a server key does not fit a QR code"), "sallyport client rotate gives the client one"}
	}
	return printCode(w, p.RotatingURI())
}

// printCode prints a text as a QR code, and the text below it.
func printCode(w io.Writer, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("make a QR code: %w", err)
	}
	dark := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y)
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("\x1b[30;47m") // black on white
		for x := -quietZone; x < code.Size+quietZone; x++ {
			switch upper, lower := dark(x, y), dark(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	_, err = fmt.Fprintf(w, "%s%s\n", &b, text)
	return err
}
