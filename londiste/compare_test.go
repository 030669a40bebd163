package londiste_test

import (
	"net"
	"testing"
	"time"

	"github.com/skytools-go/skytools/londiste"
)

// A server that takes a connection and says nothing is not waited for for ever.
func TestCompareGivesUpConnecting(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := newPair(t, installed)
	p.ok(p.prov.Install(t.Context(), install))
	p.ok(p.sub.Install(t.Context(), install))
	port := uint16(silent.Addr().(*net.TCPAddr).Port)
	mute := *p.sub
	mute.Provider = mute.Provider.Copy()
	mute.Provider.Host, mute.Provider.Port, mute.Provider.Fallbacks = "127.0.0.1", port, nil
	o := londiste.CompareOptions{Patience: 300 * time.Millisecond}
	done := func(londiste.Comparison) error { return nil }
	p.fails(mute.Compare(t.Context(), londiste.Selection{}, o, done), "no answer within 300ms", "--timeout")
	p.fails(mute.Repair(t.Context(), londiste.Selection{}, o, false, nil, nil), "no answer within 300ms", "--timeout")
	mute = *p.sub
	mute.Pair.Subscriber = mute.Pair.Subscriber.Copy()
	mute.Pair.Subscriber.Host, mute.Pair.Subscriber.Port, mute.Pair.Subscriber.Fallbacks = "127.0.0.1", port, nil
	p.fails(mute.Compare(t.Context(), londiste.Selection{}, o, done), "no answer within 300ms", "--timeout")
}
