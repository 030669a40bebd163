package relay

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const queue = "q"

func install(ctx context.Context, conn *pgx.Conn) error {
	_, err := schema.Install(ctx, conn, schema.Options{})
	for _, sql := range []string{`select pgq.create_queue('q')`, `select pgq.register_consumer('q', 'c')`} {
		if err == nil {
			_, err = conn.Exec(ctx, sql)
		}
	}
	return err
}

// hooked is a queue whose one batch, of the events 1 to n, goes to a server.
type hooked struct {
	hook Webhook
	mu   sync.Mutex
	log  strings.Builder
	seen []string // Idempotency-Key and status of each request
	dsn  string
}

func (h *hooked) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func (h *hooked) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.seen)
}

// newHooked has the server answer by what answer returns for the nth request.
func newHooked(t *testing.T, n int, answer func(n int, w http.ResponseWriter, req *http.Request) int) *hooked {
	t.Helper()
	h := &hooked{dsn: pgtest.Database(t, pgtest.Server(t), install)}
	conn := pgtest.Connect(t, h.dsn)
	for _, sql := range []string{
		fmt.Sprintf(`select pgq.insert_event('q', 't', i::text) from generate_series(1, %d) i`, n),
		`select skytools.tick('q')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := ReadKeys(t.Context(), conn, queue)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.mu.Lock()
		nr := len(h.seen) + 1
		h.seen = append(h.seen, req.Header.Get("Idempotency-Key"))
		h.mu.Unlock()
		_, _ = io.Copy(io.Discard, req.Body)
		status := answer(nr, w, req)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	h.hook = Webhook{
		URL: server.URL, Keys: keys, Retry: time.Minute, Log: slog.New(slog.NewTextHandler(h, nil)),
		Client: server.Client(),
	}
	h.hook.Client.CheckRedirect = NoRedirects
	return h
}

// run has the consumer work until it has ended its batch.
func (h *hooked) run(t *testing.T) {
	t.Helper()
	cfg, err := pgx.ParseConfig(h.dsn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stop := make(chan struct{})
	c := &pgq.Consumer{Database: cfg, Queue: queue, Name: "c", Stop: stop, Log: h.hook.Log}
	err = c.Run(ctx, func(ctx context.Context, b *pgq.Batch) error {
		err := h.hook.Handle(ctx, b)
		if err == nil {
			close(stop)
		}
		return err
	})
	if err != nil || ctx.Err() != nil {
		t.Fatalf("%v, %v; requests %q, log:\n%s", err, ctx.Err(), h.requests(), h.log.String())
	}
}

func (h *hooked) retries(t *testing.T) (waiting []int64) {
	t.Helper()
	list, err := pgq.Retries(t.Context(), pgtest.Connect(t, h.dsn), queue, "c", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		waiting = append(waiting, int64(r.Event.ID))
	}
	slices.Sort(waiting)
	return waiting
}

// TestWebhookGoesOn: after a receiver that was down for a while, what it had
// taken is not sent again, and what was asked for its events is not forgotten.
func TestWebhookGoesOn(t *testing.T) {
	h := newHooked(t, 4, func(n int, _ http.ResponseWriter, _ *http.Request) int {
		return []int{200, 404, 503, 503, 204, 201}[n-1]
	})
	h.run(t)
	if got := h.requests(); !slices.Equal(got, []string{"q/1/1", "q/1/2", "q/1/3", "q/1/3", "q/1/3", "q/1/4"}) {
		t.Errorf("requests %q", got)
	}
	if got := h.retries(t); !slices.Equal(got, []int64{2}) {
		t.Errorf("retries of %v", got)
	}
}

// TestWebhookBatches: groups keep their bounds, and are refused as one.
func TestWebhookBatches(t *testing.T) {
	var first []object
	h := newHooked(t, 5, func(n int, _ http.ResponseWriter, _ *http.Request) int { return []int{200, 500, 400, 200}[n-1] })
	h.hook.Batch = 2
	transport := h.hook.Client.Transport
	h.hook.Client.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		body, err := req.GetBody()
		if err == nil && first == nil {
			err = json.NewDecoder(body).Decode(&first)
		}
		if err != nil {
			return nil, err
		}
		return transport.RoundTrip(req)
	})
	h.run(t)
	if got := h.requests(); !slices.Equal(got, []string{"q/1/1-2", "q/1/3-4", "q/1/3-4", "q/1/5-5"}) {
		t.Errorf("requests %q", got)
	}
	if len(first) != 2 || first[0].Key != "q/1/1" || *first[1].Data != "2" {
		t.Errorf("the first request has %+v", first)
	}
	if got := h.retries(t); !slices.Equal(got, []int64{3, 4}) {
		t.Errorf("retries of %v", got)
	}
}

// TestWebhookRefusedGroup: of a group that was refused each event comes again
// alone, so that the one that is wrong takes no others along.
func TestWebhookRefusedGroup(t *testing.T) {
	h := newHooked(t, 3, func(n int, _ http.ResponseWriter, _ *http.Request) int { return []int{400, 200, 400, 200, 200}[n-1] })
	h.hook.Batch = 3
	h.run(t)
	conn := pgtest.Connect(t, h.dsn)
	for _, sql := range []string{
		`update pgq.retry_queue set ev_retry_after = now()`,
		`select skytools.move_retries()`,
		`select pgq.insert_event('q', 't', '4')`,
		`select skytools.tick('q')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	h.run(t)
	if got := h.requests(); !slices.Equal(got, []string{"q/1/1-3", "q/1/1-1", "q/1/2-2", "q/1/3-3", "q/1/7-7"}) { // retries have moved the sequence
		t.Errorf("requests %q", got)
	}
	if got := h.retries(t); !slices.Equal(got, []int64{2}) {
		t.Errorf("retries of %v", got)
	}
}

// TestGroupKeys: a group has the same key whenever it is sent, and no other
// group of the queue's events has it.
func TestGroupKeys(t *testing.T) {
	keys := Keys{queue: "q", id: 1}
	seen := map[string][]pgq.EventID{}
	for set := 1; set < 1<<10; set++ {
		var group []pgq.Event
		var ids []pgq.EventID
		for id := range 10 {
			if set&(1<<id) != 0 {
				ids = append(ids, pgq.EventID(id+1))
				group = append(group, pgq.Event{ID: pgq.EventID(id + 1), Retry: set % 3})
			}
		}
		key := keys.OfGroup(group)
		if other, taken := seen[key]; taken {
			t.Fatalf("%v and %v are both %s", ids, other, key)
		}
		seen[key] = ids
		group[0].Retry++
		if again := keys.OfGroup(group); again != key {
			t.Errorf("%v: %s, then %s", ids, key, again)
		}
	}
	if key := keys.OfGroup([]pgq.Event{{ID: 3}, {ID: 4}}); key != "q/1/3-4" {
		t.Errorf("key of a group without gaps: %s", key)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// TestWebhookAnswers: no answer in time and a certificate that is not trusted
// are the receiver's trouble; a redirection is a refusal.
func TestWebhookAnswers(t *testing.T) {
	release := make(chan struct{})
	h := newHooked(t, 1, func(n int, w http.ResponseWriter, _ *http.Request) int {
		if n == 1 {
			<-release
		}
		w.Header().Set("Location", "/elsewhere")
		return http.StatusTemporaryRedirect
	})
	t.Cleanup(func() { close(release) })
	h.hook.URL += "/?token=secret"
	h.hook.Client.Timeout = 300 * time.Millisecond
	transport := h.hook.Client.Transport.(*http.Transport)
	trusted := transport.TLSClientConfig.RootCAs
	tries := 0
	h.hook.Client.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		one := transport.Clone()
		if one.TLSClientConfig.RootCAs = trusted; tries == 0 {
			one.TLSClientConfig.RootCAs = x509.NewCertPool()
		}
		tries++
		return one.RoundTrip(req)
	})
	h.run(t)
	if got := h.requests(); !slices.Equal(got, []string{"q/1/1", "q/1/1"}) || tries != 3 {
		t.Errorf("requests %q, %d tries", got, tries)
	}
	for _, want := range []string{"certificate", "no answer within 300ms", "event 1 is refused, 307 Temporary Redirect"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, h.log.String())
		}
	}
	if strings.Contains(h.log.String(), "secret") {
		t.Errorf("the log tells the query:\n%s", h.log.String())
	}
	if got := h.retries(t); !slices.Equal(got, []int64{1}) {
		t.Errorf("retries of %v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-3": 0, "soon": 0, "99999999999": 15 * time.Minute, "86400": 15 * time.Minute,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 05:05:05 GMT": 15 * time.Minute,
	} {
		if got := retryAfter(value, now).Sub(now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	h := &Webhook{until: time.Now().Add(time.Hour)}
	if err := h.Handle(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "left alone for another 1h0m0s") {
		t.Errorf("%v", err)
	}
}

// TestWebhookSortedAgain: a large batch that is told out of order comes again
// sorted; each event is sent once all the same.
func TestWebhookSortedAgain(t *testing.T) {
	h := newHooked(t, 0, func(int, http.ResponseWriter, *http.Request) int { return http.StatusOK })
	conn := pgtest.Connect(t, h.dsn)
	for _, sql := range []string{
		// So much that it is told before the least comes, which lies last.
		`select pgq.insert_event_raw('q', id, now(), null, null, 't', repeat('x', 600000), null, null, null, null)
			from unnest('{2,3,4,1}'::bigint[]) id`,
		`select setval(queue_event_seq, 1000000) from pgq.queue`, // a batch that is not sorted unseen
		`select skytools.tick('q')`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(sql, err)
		}
	}
	h.run(t)
	got := h.requests()
	if len(got) == 0 || got[0] == "q/1/1" {
		t.Fatalf("requests %q: the test shows nothing", got)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"q/1/1", "q/1/2", "q/1/3", "q/1/4"}) {
		t.Errorf("requests %q", got)
	}
}
