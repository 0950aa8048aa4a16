package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"sallyport/client"
)

// Open the door of the server that the user calls "office", and connect.
func Example() {
	profile, err := client.Load("office")
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := client.Knock(context.Background(), profile, client.Options{First: true})
	if silence := (*client.NoAnswerError)(nil); errors.As(err, &silence) {
		fmt.Println(silence.Hint())
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	open := result.Grants[0]
	fmt.Printf("%s is open for %s until %s\n", open.Door, open.Source, open.Until)
	conn, err := net.Dial("tcp", net.JoinHostPort(open.Server.Addr().String(), "5432"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
}
