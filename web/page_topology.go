package web

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste"
)

// box is a node of the drawing: a database, a queue, a consumer.
type box struct {
	title, text string
	tone        string // good, warn, bad, idle
	kids        []*box
}

const (
	mostQueues  = 8 // that are drawn of all
	mostReaders = 6 // of a queue
)

// topology draws who reads from whom, for wide windows from left to right and
// for narrow ones from top to bottom. Both tell what the lists below them tell.
func (s shown) topology() (wide, narrow template.HTML) {
	roots := s.boxes()
	if len(roots) == 0 {
		return "", ""
	}
	return drawWide(roots), drawNarrow(roots)
}

func (s shown) boxes() []*box {
	var roots []*box
	byName := map[string]*box{}
	for i, q := range s.Queues {
		db := byName[q.Database]
		if db == nil {
			db = s.database(q.Database)
			byName[q.Database] = db
			roots = append(roots, db)
		}
		if i >= mostQueues {
			if i == mostQueues {
				db.kids = append(db.kids, &box{title: fmt.Sprintf("%d more queues", len(s.Queues)-mostQueues), text: "see Queues", tone: "idle"})
			}
			break
		}
		db.kids = append(db.kids, s.queue(q))
	}
	if len(roots) == 0 && s.Set != nil { // a provider that has never been read
		roots = append(roots, s.database(""))
		roots[0].kids = []*box{s.subscriber()}
	}
	return roots
}

// database is the provider, or the database of that name.
func (s shown) database(name string) *box {
	if s.Set == nil {
		return &box{title: name, text: "database", tone: "good"}
	}
	return node(&s.Set.Provider, s.Set.Provider.Location)
}

func node(n *londiste.NodeStatus, text string) *box {
	b := &box{title: n.Node, text: n.Type + " · " + text, tone: "good"}
	if !n.Reachable || !n.Installed {
		b.tone = "bad"
	}
	return b
}

func (s shown) queue(q queueShown) *box {
	b := &box{title: q.Name, text: fmt.Sprintf("queue · %.1f/s · %s", q.Rate, cli.Size(q.Size).Text), tone: "good"}
	switch {
	case q.Stale || q.Over():
		b.tone = "bad"
	case q.State != "":
		b.tone = "warn"
	}
	readers := slices.DeleteFunc(slices.Clone(q.Consumers), func(c consumerShown) bool { return c.Kind == "bookkeeping" })
	for i, c := range readers {
		switch {
		case i == mostReaders:
			b.kids = append(b.kids, &box{title: noun.Count(len(readers)-i, "more consumer"), text: "see Queues", tone: "idle"})
			return b
		case i > mostReaders:
			return b
		case c.Kind == "this":
			b.kids = append(b.kids, s.subscriber())
		default:
			b.kids = append(b.kids, &box{title: c.Name, text: fmt.Sprintf("%s · lag %s", kinds[c.Kind], ageText(c.Lag)), tone: c.Tone})
		}
	}
	return b
}

var kinds = map[string]string{"copy": "copy", "other": "consumer"}

// subscriber is the set's other side.
func (s shown) subscriber() *box {
	b := node(&s.Set.Subscriber, "lag "+secondsText(s.Set.Lag)+fmt.Sprintf(" · %d of %s ok", s.Set.States["ok"], noun.Count(len(s.Set.Tables), "table")))
	switch {
	case b.tone == "bad":
	case s.Set.Parked():
		b.tone = "bad"
	case s.Set.Lag != nil:
		b.tone = lagTone(seconds(*s.Set.Lag))
	}
	return b
}

const (
	boxWidth, boxHeight = 270, 56
	gapX, gapY          = 66, 14
	stepX               = 22 // of the narrow drawing
	narrowWidth         = 330
)

// drawing collects boxes and the lines between them.
type drawing struct {
	lines, boxes strings.Builder
}

func drawWide(roots []*box) template.HTML {
	var d drawing
	y, depth := 2, 0
	for _, b := range roots {
		_, deep := d.wide(b, 2, &y)
		depth = max(depth, deep)
	}
	return d.svg("wide", 4+depth*(boxWidth+gapX)-gapX, y-gapY+2)
}

// wide draws a box beside its kids, in the middle of them, and returns the
// height of its middle and how many levels there are.
func (d *drawing) wide(b *box, x int, y *int) (middle, depth int) {
	if len(b.kids) == 0 {
		middle = *y + boxHeight/2
		*y += boxHeight + gapY
	}
	var ends []int
	for _, kid := range b.kids {
		at, deep := d.wide(kid, x+boxWidth+gapX, y)
		ends, depth = append(ends, at), max(depth, deep)
	}
	if len(ends) > 0 {
		middle = (ends[0] + ends[len(ends)-1]) / 2
	}
	for i, end := range ends {
		from, to := x+boxWidth, x+boxWidth+gapX
		half := (from + to) / 2
		fmt.Fprintf(&d.lines, `<path class="edge %s" d="M%d %dC%d %d %d %d %d %d"/>`, b.kids[i].tone, from, middle, half, middle, half, end, to, end)
	}
	d.box(b, x, middle-boxHeight/2, boxWidth)
	return middle, depth + 1
}

func drawNarrow(roots []*box) template.HTML {
	var d drawing
	y := 2
	for _, b := range roots {
		d.narrow(b, 2, &y)
	}
	return d.svg("narrow", narrowWidth+4, y-gapY+2)
}

// narrow draws a box above its kids.
func (d *drawing) narrow(b *box, x int, y *int) {
	d.box(b, x, *y, narrowWidth-x)
	from := *y + boxHeight
	*y += boxHeight + gapY
	for _, kid := range b.kids {
		fmt.Fprintf(&d.lines, `<path class="edge %s" d="M%d %dV%dH%d"/>`, kid.tone, x+stepX/2, from, *y+boxHeight/2, x+stepX)
		d.narrow(kid, x+stepX, y)
	}
}

// box draws a rectangle with a mark in its tone and two lines of text, cut to
// what fits; all of it is its title.
func (d *drawing) box(b *box, x, y, width int) {
	fit := func(text string, cell float64) string {
		return template.HTMLEscapeString(cli.Brief(cleaned(text), int(float64(width-24)/cell)).Text)
	}
	fmt.Fprintf(&d.boxes, `<g class="box %s"><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" rx="8"/><rect class="mark" x="%d" y="%d" width="5" height="%d" rx="2.5"/>`,
		b.tone, template.HTMLEscapeString(cleaned(b.title+": "+b.text)), x, y, width, boxHeight, x+6, y+10, boxHeight-20)
	fmt.Fprintf(&d.boxes, `<text x="%d" y="%d">%s</text><text class="small" x="%d" y="%d">%s</text></g>`,
		x+20, y+24, fit(b.title, 8.2), x+20, y+43, fit(b.text, 6.9))
}

func (d *drawing) svg(class string, width, height int) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="topology %s" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="Who reads from whom">%s%s</svg>`,
		class, width, height, width, height, d.lines.String(), d.boxes.String())) // every text in it is escaped
}
