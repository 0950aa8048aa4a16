package main

import (
	"io"

	"sallyport/internal/inert"
)

// printJSON writes a value as indented JSON, inert on a terminal.
func printJSON(w io.Writer, v any) {
	// Writing to a closed pipe is not worth a message.
	_, _ = w.Write(inert.JSON(indentedJSON(v)))
}
