// Package web shows what one program knows of its databases over HTTP: to
// load balancers, to Prometheus, to people. It reads and changes nothing.
//
//	databases ◄── Read, every 5 s ──┐
//	                                ▼
//	                            Snapshot ──► /metrics  /ready  /status.json  pages
//	both sides ◄── Lag, on demand ─ pulse ──► /fresh   the lag of /metrics
//
// # One reader
//
// [Server.Run] looks at the databases by itself, one look after the other, and
// keeps what it found. A request gets what is kept. So a hundred scrapers cost
// the databases what one costs, and a database that hangs holds up the look and
// no request. Where a look does not reach a database, what was found before stays
// beside the error, with its time; nothing old is shown as if it were new.
//
// # Lag
//
// A look is seconds old, too old for a load balancer that wants replicas within
// 500 ms. How far a subscriber is behind is asked apart ([londiste.Gauge]): one
// statement at each side, over sessions that stay open, at most ten times a
// second, and only while somebody wants to know. The time since counts as lag:
// rows that were current 300 ms ago are up to 300 ms old. So the figure goes on
// rising while the databases do not answer, and is never too small.
//
// # Pages
//
// The dashboard shows the same snapshot: pages made by the server that work without
// scripts. Where there are scripts, a stream of server-sent events brings the part of
// a page that changes at each snapshot, and charts are drawn of what the last looks
// found, which is kept in memory. Names and payloads are anybody's: every one goes
// through html/template, and through cleaned, which takes control characters and marks
// that turn the direction of text. Events and dead letters are read when somebody
// looks at them, of queues that are shown, over a session that cannot write: fifty at
// most, five seconds at most, one reader at a time.
//
// # Who may look
//
// There is no password and no encryption: a server listens on localhost or a Unix
// socket, and a reverse proxy stands before it where others are to look. On
// localhost a request must name a local host, or a web page anywhere could read it
// through a name of its own that leads here.
package web
