package screen

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

func sample() *Node {
	root := Root(Join(Say(Strong, "job"), Say(Good, "in sync")))
	list := root.Add(Say(Strong, "tables"))
	for _, name := range []string{"public.entry", "public." + strings.Repeat("long", 10), "public.\x1b[31mred\nline"} {
		list.AddRow(Say(Plain, "%s", name), Bar(0.5, 8), Say(Faint, "%d events", 12), Say(Warn, "drifted"))
	}
	root.Add(Say(Bad, "✗ ") + Say(Plain, "a sentence that does not fit a narrow terminal in one line")).Add(Say(Good, "→ ") + Say(Plain, "mend it"))
	return root
}

// A tree fits its width: rows lose their last columns, sentences are broken,
// names are cut, and nothing in them reaches the terminal.
func TestTree(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string
	}{
		{100, `
job · in sync
├─ tables
│  ├─ public.entry                                     ████░░░░  12 events  drifted
│  ├─ public.longlonglonglonglonglonglonglonglonglong  ████░░░░  12 events  drifted
│  └─ public.\x1b[31mred\nline                         ████░░░░  12 events  drifted
└─ ✗ a sentence that does not fit a narrow terminal in one line
   └─ → mend it
`},
		{44, `
job · in sync
├─ tables
│  ├─ public.entry                  ████░░░░
│  ├─ public.longlonglonglonglong…  ████░░░░
│  └─ public.\x1b[31mred\nline      ████░░░░
└─ ✗ a sentence that does not fit a narrow
   terminal in one line
   └─ → mend it
`},
	} {
		lines := sample().Lines(c.width)
		for _, l := range lines {
			if ansi.StringWidth(l) > c.width {
				t.Errorf("at %d: too wide: %q", c.width, l)
			}
		}
		if got := ansi.Strip(strings.Join(lines, "\n")) + "\n"; got != c.want[1:] {
			t.Errorf("at %d:\n%s", c.width, got)
		}
	}
	if got := strings.Join(sample().Lines(80), ""); strings.Contains(got, "\x1b[31mred") || !strings.Contains(got, "\x1b[32m") {
		t.Errorf("colours: %q", got)
	}
}

// picture is what the terminal shows.
func picture(m *live) []string {
	lines := strings.Split(ansi.Strip(m.View().Content), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

func press(code rune) tea.KeyPressMsg { return tea.KeyPressMsg{Code: code, Text: string(code)} }

// The live view scrolls, keeps its place over a reading, tells the age of the
// last state while the server is down, recovers, and quits.
func TestLive(t *testing.T) {
	at := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	m := newLive("watch", 2*time.Second, func() tea.Msg { return nil })
	m.now = at
	tell := func(msg tea.Msg) tea.Cmd { _, cmd := m.Update(msg); return cmd }
	if m.Init() == nil || !m.busy || m.again() != nil {
		t.Error("one reading at a time")
	}
	tell(tea.WindowSizeMsg{Width: 50, Height: 8})
	if got := picture(m); !strings.HasSuffix(got[0], "reading …") {
		t.Errorf("before the first reading: %q", got)
	}
	long := Root("root")
	for _, c := range "abcdefghij" {
		long.Add(strings.Repeat(string(c), 3))
	}
	if tell(state{long, nil, at}) == nil {
		t.Error("no next reading")
	}
	got := picture(m)
	if len(got) != 8 || got[0] != "watch                           10:00:00, every 2s" || got[1] != "root" || got[6] != "├─ eee" || !strings.HasSuffix(got[7], "0 %") {
		t.Errorf("the state: %q", got)
	}
	for range 3 {
		tell(press('j'))
	}
	tell(state{long, nil, at})
	if got := picture(m); got[1] != "├─ ccc" {
		t.Errorf("scrolled: %q", got)
	}
	tell(tea.KeyPressMsg{Code: tea.KeyEnd})
	if got := picture(m); got[6] != "└─ jjj" || !strings.HasSuffix(got[7], "100 %") {
		t.Errorf("at the end: %q", got)
	}
	tell(tea.KeyPressMsg{Code: tea.KeyHome})

	tell(state{nil, errors.New("connection refused\nby db1"), at.Add(2 * time.Second)})
	tell(second(at.Add(12 * time.Second)))
	got = picture(m)
	if got[1] != "✗ failing for 10s: connection refused" || got[2] != "  below is the state of 10:00:00, 12s ago" || got[3] != "root" {
		t.Errorf("the server is down: %q", got)
	}
	if tell(readNow{}); !m.busy {
		t.Error("no reading after a failed one")
	}
	tell(second(at.Add(20 * time.Second)))
	if got := picture(m); !strings.Contains(got[0], "no answer yet for 8.0s") {
		t.Errorf("it hangs: %q", got)
	}
	tell(state{sample(), nil, at.Add(21 * time.Second)})
	if got := picture(m); got[1] != "job · in sync" {
		t.Errorf("it is back: %q", got)
	}
	for _, quit := range []tea.Msg{press('q'), tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}} {
		if cmd := tell(quit); cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%v does not quit", quit)
		}
	}
}

// Where no state has been read yet, what there is of one is shown.
func TestLiveFromTheFirstError(t *testing.T) {
	m := newLive("watch", time.Second, nil)
	m.Update(tea.WindowSizeMsg{Width: 60, Height: 12})
	m.Update(state{sample(), errors.New("subscriber: no route"), m.now})
	if got := picture(m); !strings.HasPrefix(got[1], "✗ failing for 0.0s: subscriber: no route") || got[2] != "job · in sync" {
		t.Errorf("%q", got)
	}
}

// Plain output goes on until it is told to end, each state under its time.
func TestRepeat(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	n := 0
	err := Repeat(ctx, &out, time.Millisecond, false, func(context.Context) error {
		if n++; n == 2 {
			cancel()
		}
		out.WriteString("state\n")
		return nil
	})
	if !errors.Is(err, context.Canceled) || strings.Count(out.String(), "state\n") != 2 || strings.Count(out.String(), ":") != 4 {
		t.Errorf("%v\n%s", err, out.String())
	}
}
