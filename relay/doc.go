// Package relay is where events go when they leave a queue: into another
// queue, into tables by a statement of the user's, to a web server, or out as
// lines of JSON. Each is a handler for a [pgq.Consumer], which does the
// reading, the waiting and the retrying.
//
//	[Mover]     another queue             exactly once: position in the target's transaction
//	[Splitter]  queues named by a field   exactly once
//	[Statement] a statement for each      exactly once
//	[Webhook]   HTTP POST                 at least once, with an idempotency key
//	[Lines]     a writer, such as stdout  at least once, with an idempotency key
//
// # At least once
//
// A batch is delivered again when the process dies, or loses the queue, after
// the events have gone out and before the queue knows. The receiver tells by
// the key: it is the same whenever the same event comes, also as a retry, and
// no two events of a server's database share one, a queue dropped and created
// anew included.
//
// # How it fails
//
// What cannot be taken stops the batch, which comes again, whole, after a while
// that grows; the log names the event. Only a [Webhook] tells an event that is
// refused from a receiver that is down, and has the refused one come again by
// itself.
package relay
