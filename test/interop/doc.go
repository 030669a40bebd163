// Package interop runs these programs together with upstream's, as Debian
// packages them: the real pgq extension under our ticker, maintenance, readers
// and Londiste; upstream's pgqd and its Python consumers and producers on our
// schema; and a database on its way from one to the other.
//
// Whatever works over the extension here does so as an ordinary role that is a
// member of pgq_admin and owns nothing of the extension.
package interop
