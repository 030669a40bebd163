package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/skytools-go/skytools/pgq"
)

// Webhook sends events to a web server by POST, in the order of the queue: one
// a request, as a JSON object, or Batch of them as an array. The header
// Idempotency-Key is the same whenever the same request comes again.
//
//	2xx                      taken
//	408, 425, 429, 5xx,      the receiver is not able to: all waits, and what was
//	no answer in time        not taken is sent again, after Retry-After at the soonest
//	any other                the receiver does not want these: each comes again by
//	                         itself, later each time, and the others go on;
//	                         after the queue's max_attempts it is a dead letter
type Webhook struct {
	URL    string
	Header http.Header  // sent along, such as Authorization
	Client *http.Client // with its timeout, and TLS
	Keys   Keys
	Batch  int           // events a request; 0: each one by itself
	Retry  time.Duration // before the first retry of a refused event, doubling to an hour
	Log    *slog.Logger

	id    pgq.BatchID           // the batch that the last call had
	taken map[delivery]struct{} // its events that are done with
	asked []asked               // of those, what was asked of the queue
	until time.Time             // when the receiver wants to be asked again
	body  bytes.Buffer          // of the request being made
}

// delivery tells the events of a batch apart. Their place does not: after
// [pgq.ErrOutOfOrder] the batch comes again in another order.
type delivery struct {
	id    pgq.EventID
	retry int
}

// asked is a retry that a batch asked for.
type asked struct {
	ev    pgq.Event
	after time.Duration
}

// Handle is the [pgq.Handler]. Of a batch that it could not send to its end it
// sends, when that is delivered again, what was not taken yet, as long as the
// process lives.
func (w *Webhook) Handle(ctx context.Context, b *pgq.Batch) error {
	if wait := time.Until(w.until); wait > 0 {
		return fmt.Errorf("the receiver wants to be left alone for another %s", wait.Round(time.Second))
	}
	if w.id != b.ID {
		w.id, w.taken, w.asked = b.ID, map[delivery]struct{}{}, nil
	}
	for _, a := range w.asked { // by a call before, whose wishes went with it
		b.Retry(a.ev, a.after)
	}
	size := max(1, w.Batch)
	var group []pgq.Event
	for ev, err := range b.Events(ctx) {
		if err != nil {
			return err
		}
		if _, done := w.taken[delivery{ev.ID, ev.Retry}]; done {
			continue
		}
		// One that was refused goes alone: with the same events again, those that
		// nothing is wrong with would be refused until all of them are dead.
		if ev.Retry > 0 || len(group) == size {
			if err := w.send(ctx, b, group); err != nil {
				return err
			}
			group = group[:0]
		}
		group = append(group, ev)
		if ev.Retry == 0 {
			continue
		}
		if err := w.send(ctx, b, group); err != nil {
			return err
		}
		group = group[:0]
	}
	return w.send(ctx, b, group)
}

// send posts some events and settles what the answer means for them.
func (w *Webhook) send(ctx context.Context, b *pgq.Batch, events []pgq.Event) error {
	if len(events) == 0 {
		return nil
	}
	request, err := w.request(ctx, events)
	if err != nil {
		return err
	}
	response, err := w.Client.Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the address, whose query may hold a secret
		if wrapped.Timeout() && w.Client.Timeout > 0 {
			err = fmt.Errorf("no answer within %s", w.Client.Timeout)
		}
	}
	if err != nil {
		return fmt.Errorf("event %d: %w", events[0].ID, err)
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 200))
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // the connection is used again
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		w.until = retryAfter(response.Header.Get("Retry-After"), time.Now())
		return fmt.Errorf("event %d: the receiver answers %s: %.200q", events[0].ID, response.Status, answer)
	default:
		w.refused(b, events, response.Status, answer)
	}
	for _, ev := range events {
		w.taken[delivery{ev.ID, ev.Retry}] = struct{}{}
	}
	return nil
}

func (w *Webhook) request(ctx context.Context, events []pgq.Event) (*http.Request, error) {
	w.body.Reset()
	key := w.Keys.Of(events[0].ID)
	if w.Batch > 0 {
		key = w.Keys.OfGroup(events)
		w.body.WriteByte('[')
	}
	for i, ev := range events {
		if i > 0 {
			w.body.WriteByte(',')
		}
		object, err := AppendJSON(nil, w.Keys, ev)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", ev.ID, err)
		}
		w.body.Write(object)
	}
	if w.Batch > 0 {
		w.body.WriteByte(']')
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(w.body.Bytes()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, values := range w.Header {
		request.Header[name] = values
	}
	request.Header.Set("Idempotency-Key", key)
	return request, nil
}

// refused has the events come again by themselves.
func (w *Webhook) refused(b *pgq.Batch, events []pgq.Event, status string, answer []byte) {
	for _, ev := range events {
		after := w.Retry
		for range ev.Retry {
			after = min(2*after, max(time.Hour, w.Retry))
		}
		b.Retry(ev, after)
		w.asked = append(w.asked, asked{ev, after})
		w.Log.Warn(fmt.Sprintf("event %d is refused, %s: %.200q; it comes again in %s", ev.ID, status, answer, after))
	}
}

// retryAfter reads the header: seconds, or a date, a quarter of an hour at
// most. Without one it is now.
func retryAfter(value string, now time.Time) time.Time {
	at := now
	if n, err := strconv.Atoi(value); err == nil && n > 0 {
		at = now.Add(time.Duration(min(n, 1<<20)) * time.Second)
	} else if date, err := http.ParseTime(value); err == nil {
		at = date
	}
	if limit := now.Add(15 * time.Minute); at.After(limit) {
		return limit
	}
	return at
}

// NoRedirects makes a client take a redirection for an answer: a POST that
// went elsewhere is not delivered.
func NoRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
