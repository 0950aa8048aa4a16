package config

import "testing"

func TestMetricsListen(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:9477":   "127.0.0.1:9477",
		"[::1]:1":          "[::1]:1",
		"/run/x/../y.sock": "/run/y.sock",
	} {
		if c := loaded(t, "sallyport.toml", doors(aDoor)+"\nmetrics.listen='"+text+"'"); c.Metrics.Listen != want {
			t.Errorf("%q: %q, want %q", text, c.Metrics.Listen, want)
		}
	}
	const want = `: want an address and a port, such as "127.0.0.1:9477", or the absolute path of a socket`
	for _, text := range []string{"", ":9477", "localhost:9477", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "run/y.sock", "::1:9477"} {
		refuses(t, tree("sallyport.toml", doors(aDoor)+"\nmetrics.listen='"+text+"'"), main+`:2: metrics: listen = "`+text+`"`+want)
	}
}
