//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/config"
	"sallyport/internal/fleet/archive"
	"sallyport/internal/fleet/record"
)

func newFleetEtcdCommands(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "etcd-commands [GATE...]",
		Short: "Print the commands that make etcd's users for operators and gates",
		Long: `Prints what those who run etcd have to type, once for themselves and operators, and for each gate that is named: the
certificate by which etcd knows it, its user, and a role that may write what is the gate's and nothing else.
Nothing is run. The common name of a certificate is the name of the user, where etcd has --client-cert-auth and
authentication is enabled.`,
		Example: "  sallyport fleet etcd-commands tokyo-1 tokyo-2 | less",
		Args:    args(cobra.ArbitraryArgs),
	}
	address := cmd.Flags().String("address", "", "what the gates that are named call the `ADDRESS` that they have together (address in [fleet])")
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if *address != "" && !config.ValidName(*address) {
			return usageError{fmt.Errorf("--address %q: want 1 to 32 of a-z, 0-9, dot, dash and underscore", *address)}
		}
		for _, name := range list {
			if !config.ValidName(name) {
				return usageError{fmt.Errorf("%q is no name of a gate: want 1 to 32 of a-z, 0-9, dot, dash and underscore", name)}
			}
		}
		_, err := fmt.Fprint(std.out, etcdCommands(list, *address))
		return err
	}
	return cmd
}

// etcdCommands are for a shell.
func etcdCommands(gates []string, address string) string {
	var b strings.Builder
	b.WriteString("# Each time, by those who run etcd: where it is, and who you are. ETCD is the name of a server.\n")
	b.WriteString("export ETCDCTL_ENDPOINTS=https://ETCD:2379 ETCDCTL_CACERT=ca.pem ETCDCTL_CERT=root.pem ETCDCTL_KEY=root.key\n")
	b.WriteString("\n# Once. After the last command only root can add users. Operators may write all that belongs to the fleet.\n")
	b.WriteString(certificate("root"))
	b.WriteString("etcdctl user add root --no-password && etcdctl user grant-role root root\n")
	b.WriteString("etcdctl role add sallyport-operator\n")
	for _, prefix := range []string{archive.EntryPrefix, archive.WholePrefix, archive.JoinPrefix, record.GatePrefix, record.BeatPrefix, record.AddressPrefix, record.SecretPrefix} {
		fmt.Fprintf(&b, "etcdctl role grant-permission sallyport-operator --prefix=true readwrite %s\n", prefix)
	}
	b.WriteString("# For each operator OPERATOR, with the CA that etcd trusts (--trusted-ca-file):\n")
	b.WriteString(certificate("OPERATOR"))
	b.WriteString("etcdctl user add OPERATOR --no-password && etcdctl user grant-role OPERATOR sallyport-operator\n")
	for _, name := range gates {
		fmt.Fprintf(&b, "\n# Gate %s may read what all may know, and write its own.\n", name)
		b.WriteString(certificate(name))
		fmt.Fprintf(&b, "etcdctl role add gate-%s\n", name)
		for _, prefix := range []string{archive.EntryPrefix, archive.WholePrefix, record.GatePrefix, record.BeatPrefix, record.AddressPrefix, record.SecretPrefix + name + "/"} {
			fmt.Fprintf(&b, "etcdctl role grant-permission gate-%s --prefix=true read %s\n", name, prefix)
		}
		for _, prefix := range record.Prefixes(name) {
			flag := ""
			if strings.HasSuffix(prefix, "/") {
				flag = "--prefix=true "
			}
			fmt.Fprintf(&b, "etcdctl role grant-permission gate-%s %sreadwrite %s\n", name, flag, prefix)
		}
		if address != "" { // what one of them has used, none of the others takes
			fmt.Fprintf(&b, "etcdctl role grant-permission gate-%s --prefix=true readwrite %s%s/\n", name, record.AddressPrefix, address)
		}
		fmt.Fprintf(&b, "etcdctl role grant-permission gate-%s readwrite %s%s\n", name, archive.JoinPrefix, name)
		fmt.Fprintf(&b, "etcdctl user add %s --no-password && etcdctl user grant-role %s gate-%s\n", name, name, name)
	}
	b.WriteString("\n# At the end, once:\netcdctl auth enable\n")
	return b.String()
}

// certificate makes a certificate for a year. The key is made where it is used, and only
// the request travels.
func certificate(name string) string {
	return fmt.Sprintf(`openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %[1]s.key -subj /CN=%[1]s -out %[1]s.csr   # where the key is used
openssl x509 -req -in %[1]s.csr -CA ca.pem -CAkey ca.key -days 365 -out %[1]s.pem   # where the CA is
`, name)
}
