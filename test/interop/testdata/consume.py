# A consumer as upstream's documentation has it. Each event that is done goes
# to the file named in the section as a line; one of type "again" is retried
# the first time.
import pgq
import sys


class Consume(pgq.Consumer):
    def process_event(self, db, ev):
        if ev.ev_type == 'again' and ev.retry == 0:
            ev.tag_retry(1)
            return
        with open(self.cf.get('lines'), 'a') as f:
            f.write('%s\n' % ev.ev_data)
        ev.tag_done()


Consume('consume', 'db', sys.argv[1:]).start()
