package screen

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/skytools-go/skytools/internal/cli"
)

// Watch shows a state that is read again and again, until its reader quits.
type Watch struct {
	Title string
	Every time.Duration // from the end of one reading to the next
	// Read reads the state. With an error, which is of one line, the last state
	// read without one stays, and the tree is shown only as long as there is none.
	Read func(ctx context.Context) (*Node, error)
}

// Run takes the terminal until q, ctrl-c or the end of ctx, whose error it
// returns then.
func (w *Watch) Run(ctx context.Context) error {
	reading, cancel := context.WithCancel(ctx)
	var one sync.Mutex // held while a reading is under way
	read := func() tea.Msg {
		one.Lock()
		defer one.Unlock()
		if reading.Err() != nil {
			return nil
		}
		n, err := w.Read(reading)
		return state{n, err, time.Now()}
	}
	_, err := tea.NewProgram(newLive(w.Title, w.Every, read), tea.WithContext(ctx), tea.WithoutSignalHandler()).Run()
	cancel()
	one.Lock() // no reading outlives the picture
	defer one.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// state is what a reading found.
type state struct {
	tree *Node
	err  error
	at   time.Time
}

type (
	second  time.Time // a second has passed
	readNow struct{}
)

// live is the picture: title, what is wrong, the tree in a window that can be
// moved, and the keys.
type live struct {
	title  string
	every  time.Duration
	read   tea.Cmd
	now    time.Time
	began  time.Time // when the last reading did
	busy   bool      // it goes on
	last   state     // the last one without an error, or the first
	failed error     // of the newest reading
	since  time.Time // since when readings fail
	width  int
	height int
	window viewport.Model
	help   help.Model
}

type keys struct{ scroll, page, again, quit key.Binding }

var bound = keys{
	scroll: key.NewBinding(key.WithKeys("up", "down", "j", "k"), key.WithHelp("↑↓", "scroll")),
	page:   key.NewBinding(key.WithKeys("pgup", "pgdown", "space", "b", "home", "end"), key.WithHelp("pgup/pgdn", "page")),
	again:  key.NewBinding(key.WithKeys("r"), key.WithHelp("r", "read now")),
	quit:   key.NewBinding(key.WithKeys("q", "ctrl+c"), key.WithHelp("q", "quit")),
}

func newLive(title string, every time.Duration, read tea.Cmd) *live {
	m := &live{title: title, every: every, read: read, now: time.Now(), window: viewport.New(), help: help.New()}
	m.help.Styles.ShortKey, m.help.Styles.ShortDesc, m.help.Styles.ShortSeparator = styles[Strong], styles[Faint], styles[Faint]
	return m
}

func everySecond() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return second(t) })
}

// Init begins the first reading.
func (m *live) Init() tea.Cmd { return tea.Batch(m.again(), everySecond()) }

// again begins a reading unless one goes on.
func (m *live) again() tea.Cmd {
	if m.busy {
		return nil
	}
	m.busy, m.began = true, m.now
	return m.read
}

// Update takes what happens into the picture.
func (m *live) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch {
		case key.Matches(msg, bound.quit):
			return m, tea.Quit
		case key.Matches(msg, bound.again):
			cmd = m.again()
		case msg.String() == "home":
			m.window.GotoTop()
		case msg.String() == "end":
			m.window.GotoBottom()
		default:
			m.window, cmd = m.window.Update(msg)
		}
		return m, cmd
	case second:
		m.now = time.Time(msg)
		cmd = everySecond()
	case readNow:
		cmd = m.again()
	case state:
		m.take(msg)
		cmd = tea.Tick(m.every, func(time.Time) tea.Msg { return readNow{} })
	}
	m.fit()
	return m, cmd
}

// take keeps what a reading found, and the last good state where it failed.
func (m *live) take(s state) {
	m.busy, m.now = false, s.at
	switch {
	case s.err == nil:
		m.last, m.failed = s, nil
		return
	case m.failed == nil:
		m.since = s.at
	}
	m.failed = s.err
	if m.last.tree == nil || m.last.err != nil {
		m.last = s
	}
}

// fit draws the tree for the window, which keeps its place.
func (m *live) fit() {
	if m.width == 0 {
		return
	}
	m.window.SetWidth(m.width)
	m.window.SetHeight(max(1, m.height-len(m.head())-1))
	if m.last.tree != nil {
		m.window.SetContentLines(m.last.tree.Lines(m.width))
	}
}

// head says what is shown and how old it is.
func (m *live) head() []string {
	left := Say(Strong, "%s", m.title)
	var right string
	switch {
	case m.busy && m.now.Sub(m.began) >= 2*time.Second:
		right = Say(Warn, "no answer yet for %s", cli.Age(m.now.Sub(m.began)).Text)
	case m.last.tree != nil:
		right = Say(Faint, "%s, every %s", m.last.at.Format(time.TimeOnly), m.every)
	default:
		right = Say(Faint, "reading …")
	}
	gap := m.width - lipgloss.Width(left) - lipgloss.Width(right)
	lines := []string{left + strings.Repeat(" ", max(1, gap)) + right}
	if m.failed != nil {
		first, _, _ := strings.Cut(m.failed.Error(), "\n")
		text := Say(Bad, "✗ failing for %s: ", cli.Age(m.now.Sub(m.since)).Text) + Say(Plain, "%s", first)
		lines = append(lines, strings.Split(wrap(text, m.width), "\n")...)
		if m.last.err == nil {
			lines = append(lines, Say(Warn, "  below is the state of %s, %s ago", m.last.at.Format(time.TimeOnly), cli.Age(m.now.Sub(m.last.at)).Text))
		}
	}
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], m.width, "…")
	}
	return lines
}

// View is the whole picture.
func (m *live) View() tea.View {
	v := tea.View{AltScreen: true, WindowTitle: m.title}
	if m.width == 0 {
		return v
	}
	const placeCells = 6
	m.help.SetWidth(m.width - placeCells)
	foot := m.help.ShortHelpView([]key.Binding{bound.scroll, bound.page, bound.again, bound.quit})
	if seen := m.window.ScrollPercent(); m.window.TotalLineCount() > m.window.Height() {
		place := Say(Faint, "%s", fmt.Sprintf("%d %%", int(100*seen)))
		foot += strings.Repeat(" ", max(1, m.width-lipgloss.Width(foot)-lipgloss.Width(place))) + place
	}
	v.SetContent(strings.Join(m.head(), "\n") + "\n" + m.window.View() + "\n" + ansi.Truncate(foot, m.width, "…"))
	return v
}
