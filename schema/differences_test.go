package schema

const (
	freshSequence = "the event sequence starts at 0, used: with the first event its last value moves, which upstream's misses"
	tickOrder     = "a tick that is not after the last one would deliver events twice or never"
)

// differences are the statements of the scripts whose results differ from
// those of the real extension, and why they shall.
var differences = map[string]string{
	"pgq_queue.sql: select tick_event_seq from pgq.tick order by tick_queue;":                                         freshSequence,
	"pgq_ticker.sql: select tick_id, tick_event_seq from pgq.tick order by 1;":                                        freshSequence,
	"pgq_ticker.sql: select pgq.ticker('q', 50, now(), 9000);":                                                        tickOrder,
	"pgq_ticker.sql: select pgq.ticker('q', 49, now(), 9000);":                                                        tickOrder,
	"pgq_ticker.sql: update pgq.tick set tick_snapshot = '99999999:99999999:', tick_time = '2020-01-01 00:00:00+00';": "counts the tick that was refused here",
	"pgq_queue.sql: select pgq.set_queue_config('first', 'ticker_max_lag', null);":                                    "upstream fails inside, with the text of an internal error",
	"pgq_batch.sql: select pgq.next_batch('q', 'c');":                                                                 "upstream prints <NULL> for the tick that the consumer stands at",
	"pgq_consumer.sql: select co_name from pgq.consumer order by 1;":                                                  "upstream leaves members of a cooperative consumer behind in pgq.consumer",
	"pgq_rotate.sql: select tick_id from pgq.tick where tick_queue = 1 order by 1;":                                   "upstream deletes a queue's last tick too; consumers then cannot register",
	"pgq_rotate.sql: select pgq.force_tick('q') is not null;":                                                         "upstream deleted the last tick",
}
