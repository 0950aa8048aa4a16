package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	_ "go.etcd.io/etcd/api/v3/etcdserverpb" // registers the messages of etcd
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Twist is given each message of etcd's protocol on its way, and returns what goes on in
// its place: itself, another, several, or none. It may take its time.
type Twist func(proto.Message) []proto.Message

// Liar stands between clients and the servers, as one who has taken the servers over: it
// has their certificate and may everything. As long as nothing is twisted it is honest.
type Liar struct {
	Address  string
	server   *grpc.Server
	upstream *grpc.ClientConn

	mu                sync.Mutex
	requests, answers Twist
}

// Liar makes one, where the servers are.
func (c *Cluster) Liar() (*Liar, error) {
	server, err := c.Identity("server", Year)
	if err != nil {
		return nil, err
	}
	config, err := server.TLS()
	if err != nil {
		return nil, err
	}
	config.ClientCAs, config.ClientAuth = config.RootCAs, tls.RequireAndVerifyClientCert
	root, err := c.Identity("root", Year)
	if err != nil {
		return nil, err
	}
	mine, err := root.TLS()
	if err != nil {
		return nil, err
	}
	leader, err := c.Leader()
	if err != nil {
		return nil, err
	}
	l := &Liar{}
	l.upstream, err = grpc.NewClient("passthrough:///"+leader.client, grpc.WithTransportCredentials(credentials.NewTLS(mine)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)), grpc.WithContextDialer(c.dial))
	if err != nil {
		return nil, err
	}
	listener, err := c.listen()
	if err != nil {
		return nil, errors.Join(err, l.upstream.Close())
	}
	l.Address = listener.Addr().String()
	l.server = grpc.NewServer(grpc.UnknownServiceHandler(l.handle), grpc.Creds(credentials.NewTLS(config)), grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30))
	go func() { _ = l.server.Serve(listener) }() // until Close
	return l, nil
}

func (c *Cluster) listen() (net.Listener, error) {
	at := netip.AddrPortFrom(c.opts.Address, 0).String()
	if c.opts.Host != nil {
		return c.opts.Host.Listen("tcp", at)
	}
	return net.Listen("tcp", at)
}

func (c *Cluster) dial(ctx context.Context, address string) (net.Conn, error) {
	if c.opts.Host != nil {
		return c.opts.Host.Dial(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// Close ends it, and all connections through it.
func (l *Liar) Close() error {
	l.server.Stop()
	return l.upstream.Close()
}

// Requests has what clients send twisted from now on; nil: nothing.
func (l *Liar) Requests(t Twist) { l.set(&l.requests, t) }

// Answers has what the servers say twisted from now on; nil: nothing.
func (l *Liar) Answers(t Twist) { l.set(&l.answers, t) }

func (l *Liar) set(to *Twist, t Twist) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*to = t
}

func (l *Liar) twist(by *Twist, m proto.Message) []proto.Message {
	l.mu.Lock()
	t := *by
	l.mu.Unlock()
	if t == nil {
		return []proto.Message{m}
	}
	return t(m)
}

// handle passes on one call: every call is a stream of messages in both directions.
func (l *Liar) handle(_ any, down grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(down)
	in, out, err := messages(method)
	if err != nil {
		return status.Error(codes.Unimplemented, err.Error())
	}
	ctx := down.Context()
	if md, ok := metadata.FromIncomingContext(ctx); ok { // such as that a leader is required
		ctx = metadata.NewOutgoingContext(ctx, metadata.MD{"hasleader": md.Get("hasleader")})
	}
	up, err := l.upstream.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() { // ends with the call
		_ = l.pass(&l.requests, in, down.RecvMsg, up.SendMsg)
		_ = up.CloseSend()
	}()
	if err := l.pass(&l.answers, out, up.RecvMsg, down.SendMsg); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (l *Liar) pass(by *Twist, kind protoreflect.MessageType, receive, send func(any) error) error {
	for {
		m := kind.New().Interface()
		if err := receive(m); err != nil {
			return err
		}
		for _, m := range l.twist(by, m) {
			if err := send(m); err != nil {
				return err
			}
		}
	}
}

// messages returns what a method takes and what it answers.
func messages(method string) (in, out protoreflect.MessageType, err error) {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, nil, err
	}
	description, ok := found.(protoreflect.ServiceDescriptor)
	if !ok || description.Methods().ByName(protoreflect.Name(name)) == nil {
		return nil, nil, fmt.Errorf("etcd has no method %q", method)
	}
	m := description.Methods().ByName(protoreflect.Name(name))
	if in, err = protoregistry.GlobalTypes.FindMessageByName(m.Input().FullName()); err != nil {
		return nil, nil, err
	}
	out, err = protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	return in, out, err
}
