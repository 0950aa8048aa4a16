//go:build linux && !client_only

package main

import (
	"fmt"
	"strings"
	"testing"
)

// Has the browser make passkeys of one algorithm, and writes down what it signs.
const recordPasskeys = `(() => { if (self.signed) return; self.signed = [];
	const c = navigator.credentials, create = c.create.bind(c), get = c.get.bind(c);
	const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, '0')).join('');
	c.create = (o) => { o.publicKey.pubKeyCredParams = [{ type: 'public-key', alg: %d }]; return create(o); };
	c.get = async (o) => { const a = await get(o), r = a.response;
		self.signed.push({ clientData: new TextDecoder().decode(r.clientDataJSON), authenticatorData: hex(r.authenticatorData), signature: hex(r.signature) });
		return a; }; })()`

// A page knocks with a passkey of the device, of either algorithm, and the gate
// takes it in whatever form the browser writes.
func TestPagePasskey(t *testing.T) {
	inBrowsers(t, func(t *testing.T, p *pocket) {
		w := p.w
		p.serve()
		p.url = "https://knock.test/" // passkeys are made for names
		p.do(p.Close())
		p.opts.Names = w.Client.Gate4
		p.start()
		p.do(p.AddAuthenticator())
		for name, algorithm := range map[string]int{"passkey-ed25519": -8, "passkey-es256": -7} {
			if strings.HasPrefix(p.kind, "firefox") && algorithm == -8 {
				continue // its authenticator for tests knows ES256 alone
			}
			p.do(p.Open("about:blank"))
			p.do(p.Open(p.url))
			p.do(p.Wait("document.querySelector('details.key')"))
			p.do(p.Eval(fmt.Sprintf(recordPasskeys, algorithm), new(any)))
			p.do(p.Click("details.key summary"))
			p.do(p.Click("#passkey button"))
			p.do(p.Wait("/^" + name + " /.test(document.querySelector('#key').innerText) || document.querySelector('#notice .fault')"))
			if said := p.Text("#notice .fault"); said != "" {
				t.Fatalf("%s: %s", name, said)
			}
			p.do(p.Click("details.key summary"))
			line := p.enrol(name)
			if !strings.HasSuffix(line, " https://knock.test") {
				t.Errorf("the line is %q", line)
			}
			p.do(p.Eval(fmt.Sprintf(recordPasskeys, algorithm), new(any))) // the link may have loaded the page once more
			for range 5 {
				w.closed(w.Client, "tcp", at(w.Client, 22))
				p.tap("ssh", "open")
				w.open(w.Client, "tcp", at(w.Client, 22))
				w.closed(w.Attacker, "tcp", at(w.Attacker, 22))
				w.ends(w.Client, "tcp", at(w.Client, 22))
			}
			var signed []map[string]string
			p.do(p.Eval("self.signed", &signed))
			t.Logf("%s, %s, signed: %q", p.kind, line, signed) // what the vectors are made of
			if len(signed) != 5 {
				t.Errorf("the user was asked %d times for 5 knocks", len(signed))
			}
			w.must(w.Gate, "client", "remove", name, "-c", w.config)
			p.do(p.Eval("indexedDB.deleteDatabase('sallyport') && 0", new(any))) // for the next one
		}
	})
}
