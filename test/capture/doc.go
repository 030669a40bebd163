// Package capture holds the tests of capture: the statements that break a
// naive one, each by name.
//
// A case is a file of cases/: client messages, one a paragraph, sent one by one
// by a writer. After each message that leaves no transaction open, a judge
// replays the queue's events by key from an empty table and compares. Every
// case runs in statement mode and in row mode. A case names the mends that it
// exists for, and must diverge when one of them is switched off.
package capture
