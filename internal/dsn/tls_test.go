package dsn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for 127.0.0.1 and revokes some.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, SubjectKeyId: []byte{1},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return authority{must[*x509.Certificate](t)(x509.ParseCertificate(der)), key}
}

func (a authority) server(t *testing.T, serial int64) tls.Certificate {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a authority) revokes(t *testing.T, serial int64) []byte {
	t.Helper()
	list := &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(serial), RevocationTime: time.Now()}},
	}
	return must[[]byte](t)(x509.CreateRevocationList(rand.Reader, list, a.cert, a.key))
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// handshake is what a client of the configuration says to such a server.
func handshake(client *tls.Config, server tls.Certificate) error {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		conn := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{server}})
		_ = conn.Handshake()
		_ = there.Close()
	}()
	return tls.Client(here, client).Handshake()
}

func TestRevokedCertificateIsRefused(t *testing.T) {
	bare(t)
	ca := newAuthority(t)
	root, list := writePEM(t, "CERTIFICATE", ca.cert.Raw), writePEM(t, "X509 CRL", ca.revokes(t, 7))
	for _, mode := range []string{"verify-full", "verify-ca", "require"} {
		cfg := mustParse(t, "host=127.0.0.1 user=u sslmode="+mode+" sslrootcert="+root+" sslcrl="+list)
		if err := handshake(cfg.TLSConfig, ca.server(t, 8)); err != nil {
			t.Errorf("%s: a good certificate: %v", mode, err)
		}
		err := handshake(cfg.TLSConfig, ca.server(t, 7))
		if err == nil || !strings.Contains(err.Error(), "certificate of CN=server is revoked") {
			t.Errorf("%s: a revoked certificate: %v", mode, err)
		}
		if err := handshake(cfg.TLSConfig, newAuthority(t).server(t, 8)); err == nil {
			t.Errorf("%s: another authority's certificate passed", mode)
		}
	}
	for in, want := range map[string]string{
		"host=h sslcrl=/no/such": "connection string: sslcrl: open /no/such: no such file or directory",
		"host=h sslcrl=" + root:  "connection string: sslcrl " + root + ": x509: ",
	} {
		if _, err := Parse(in); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestProtocolVersions(t *testing.T) {
	bare(t)
	ca := newAuthority(t)
	cfg := mustParse(t, "host=127.0.0.1 user=u sslmode=require ssl_max_protocol_version=TLSv1.1 ssl_min_protocol_version=tlsv1")
	if err := handshake(cfg.TLSConfig, ca.server(t, 8)); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("an old protocol met a new server: %v", err)
	}
	if _, err := Parse("host=h ssl_min_protocol_version=SSLv3"); err == nil {
		t.Error("SSLv3 passed")
	}
}
