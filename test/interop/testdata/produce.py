# Puts events into a queue both ways: one by one, and in bulk by COPY.
# produce.py DSN QUEUE NAME COUNT
import datetime
import sys

import pgq
import psycopg2

dsn, queue, name, count = sys.argv[1:]
db = psycopg2.connect(dsn)
for i in range(int(count)):
    curs = db.cursor()
    if i % 2:
        pgq.insert_event(curs, queue, 'again' if i % 10 == 1 else 'one', '%s-%d' % (name, i))
    else:
        now = datetime.datetime.now().astimezone().isoformat()
        rows = [[now, 'bulk', '%s-%d-%d' % (name, i, n)] for n in range(3)]
        pgq.bulk_insert_events(curs, rows, ['time', 'type', 'data'], queue)
    db.commit()
