package hint

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"host", "hostaddr", "port", "password", "sslmode", "pgq_queue_name", "add", "add-seq"}
	for s, want := range map[string]string{
		"hots": "host", "pasword": "password", "passwrod": "password", "sslmod": "sslmode",
		"pgq_queu_name": "pgq_queue_name", "ad": "add", "addseq": "add-seq", "prot": "port",
		"zebra": "", "": "", "host": "port",
	} {
		if s == "host" { // a word that is among the choices is no misspelling of itself
			if got := Nearest(s, words); got == "host" {
				t.Errorf("Nearest(%q) = %q", s, got)
			}
			continue
		}
		if got := Nearest(s, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}
