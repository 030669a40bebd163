package router

import "time"

// Want is what a read asks of the replica that serves it.
type Want func(*request)

type request struct {
	within      time.Duration
	tokens      []Token
	replicaOnly bool
}

// Within wants everything that was committed longer than d ago. More than
// [Config.MaxLag] and a minute is never known: a replica so far behind is not
// served.
func Within(d time.Duration) Want { return func(q *request) { q.within = d } }

// After wants what the token's transaction wrote, and the other wants too. The
// zero token asks for nothing.
func After(t Token) Want {
	return func(q *request) {
		if t != (Token{}) {
			q.tokens = append(q.tokens, t)
		}
	}
}

// ReplicaOnly has Read fail with [ErrNoReplica] rather than go to the root.
func ReplicaOnly() Want { return func(q *request) { q.replicaOnly = true } }
