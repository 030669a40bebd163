package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/skytools-go/skytools/internal/pgtest"
)

var updateScreens = flag.Bool("update-screens", false, "write the screenshots that the browser test compares with")

// browser starts Debian's Chromium for one test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := pgtest.RequireTool(t, "chromium", "apt-get install chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()), // where it leaves its socket when it is ended
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("disable-dev-shm-usage", true))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// samplePages serves the samples: a subscription under /set/, databases under
// /databases/, as behind a reverse proxy.
func samplePages(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for name, view := range map[string]View{"set": {Set: sampleSet(sampleAt)}, "databases": {Databases: sampleDatabases()}, "down": {Err: errors.New("cannot reach the server")}} {
		s := sampleServer(view)
		s.Rows = &Rows{}
		handler := s.Handler(true)
		mux.Handle("/"+name+"/", http.StripPrefix("/"+name, handler))
		for _, rows := range []string{"events", "dead"} {
			read := func(context.Context, string, string) ([]rowShown, error) {
				return sampleRows("id=1&item=" + hostile + strings.Repeat(" long", 60)), nil
			}
			h := guard(true, s.showRows(rows, read))
			mux.Handle("/"+name+"/"+rows, http.StripPrefix("/"+name, h))
		}
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.CloseClientConnections)
	return server
}

// complaints collects what the browser's console says; a request to elsewhere,
// which the policy forbids, is among it.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) listen(messages iter.Seq2[chromedp.ConsoleMessage, error]) {
	for m, err := range messages {
		if err != nil {
			return // the browser has ended
		}
		c.mu.Lock()
		c.list = append(c.list, m.String())
		c.mu.Unlock()
	}
}

// take returns them and begins anew.
func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// Each page in a browser, narrow and wide, light and dark: no complaint on the
// console, nothing wider than the window, nothing serious in the eyes of axe, and
// the picture is like the one that somebody looked at.
func TestPagesInABrowser(t *testing.T) {
	ctx := browser(t)
	server := samplePages(t)
	axe, err := os.ReadFile("testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	var said complaints
	go said.listen(chromedp.Console(ctx))
	for _, p := range []struct{ name, path string }{
		{"overview", "set/"},
		{"tables", "set/tables"},
		{"queues", "set/queues"},
		{"events", "set/events?queue=shop&database="},
		{"dead", "set/dead?queue=shop&database="},
		{"databases", "databases/"},
		{"down", "down/"},
	} {
		for _, width := range []int64{360, 800, 1400} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s", p.name, width, scheme)
				picture, wide, findings := visit(t, ctx, server.URL+"/"+p.path, width, scheme, string(axe))
				if list := said.take(); len(list) > 0 {
					t.Errorf("%s: %q", name, list)
				}
				if wide > width {
					t.Errorf("%s: %d px of content in a window of %d", name, wide, width)
				}
				for _, f := range findings {
					t.Errorf("%s: %s", name, f)
				}
				compareScreens(t, filepath.Join("testdata/screens", name+".png"), picture)
			}
		}
	}
}

// visit opens a page and returns its picture, the width of its content, and
// what axe finds serious.
func visit(t *testing.T, ctx context.Context, url string, width int64, scheme, axe string) (picture []byte, wide int64, findings []string) {
	t.Helper()
	must := func(what string, err error) {
		if err != nil {
			t.Fatalf("%s at %d, %s: %s: %v", url, width, scheme, what, err)
		}
	}
	must("open", chromedp.Do(
		ctx,
		chromedp.EmulateViewport(width, 900),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}),
		chromedp.Navigate(url),
	))
	until(t, ctx, `document.readyState === "complete" && [...document.querySelectorAll("[data-chart]")].every(p => !p.firstElementChild || p.querySelector("canvas"))`)
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`))
	must("measure", err)
	picture, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
	must("picture", err)
	must("load axe", chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](axe)))
	result, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run({resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	must("axe", err)
	var violations []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML, FailureSummary string }
	}
	if err := json.Unmarshal([]byte(result), &violations); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			findings = append(findings, fmt.Sprintf("%s %s: %s: %.200s %s", v.Impact, v.ID, v.Help, v.Nodes[0].HTML, v.Nodes[0].FailureSummary))
		}
	}
	return picture, wide, findings
}

// until waits for an expression to be true. One that cannot be evaluated, as
// while a page takes the place of another, is not.
func until(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && is {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %v, %v", expression, is, err)
		}
		time.Sleep(20 * time.Millisecond) // the browser tells nobody of what its page shows
	}
}

// The live page takes what is new without being loaded again, keeps the chart,
// says when the server has gone, and is loaded anew when it is back.
func TestPageIsLive(t *testing.T) {
	ctx := browser(t)
	s := sampleServer(View{Set: sampleSet(sampleAt)})
	var away atomic.Bool
	pages := s.Handler(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler) // the connection ends without an answer
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(server.CloseClientConnections)
	err := chromedp.Do(
		ctx, chromedp.Navigate(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	until(t, ctx, `document.querySelector("canvas") !== null`)
	err = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`window.mark = 1; document.querySelector("canvas").mark = 1; document.querySelector("nav a").focus()`))
	if err != nil {
		t.Fatal(err)
	}
	st := sampleSet(sampleAt)
	st.Problems, st.Tables, st.Readers, st.Consistent = nil, st.Tables[2:4], st.Readers[:3], true // the lines of the chart stay the same
	s.Read = func(context.Context) View { return View{Set: st} }
	s.look(t.Context())
	until(t, ctx, `document.querySelector("[role=status]").textContent.includes("All tables are in sync")`)
	kept, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`window.mark === 1 && document.querySelector("canvas").mark === 1 && document.activeElement.matches("nav a")`))
	if err != nil || !kept {
		t.Errorf("page, chart and focus are kept: %v, %v", kept, err)
	}

	away.Store(true)
	server.CloseClientConnections()
	until(t, ctx, `(document.getElementById("live").dataset.patience = 0.1, !document.getElementById("silent").hidden)`)
	away.Store(false)
	until(t, ctx, `window.mark === undefined && document.getElementById("silent").hidden`)
}

// compareScreens holds a picture to the one that is kept: fonts differ between
// machines, so their sizes may by a tenth, and of the rest the coarse structure is
// compared: the mean brightness of squares.
func compareScreens(t *testing.T, path string, picture []byte) {
	t.Helper()
	if *updateScreens {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, fewColors(t, picture), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v (go test ./web -run Browser -update-screens writes it; look at it)", err)
		return
	}
	want, err1 := png.Decode(bytes.NewReader(kept))
	got, err2 := png.Decode(bytes.NewReader(picture))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if why := unlike(want, got); why != "" {
		other := filepath.Join(os.TempDir(), filepath.Base(path))
		_ = os.WriteFile(other, picture, 0o644) // to be looked at
		t.Errorf("%s: %s; the picture is in %s (-update-screens takes it)", path, why, other)
	}
}

// fewColors is the picture in its 256 most frequent colours, the others as the
// nearest of them: a third of the bytes, and nobody sees it.
func fewColors(t *testing.T, picture []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	area := full.Bounds()
	often := map[color.Color]int{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			often[full.At(x, y)]++
		}
	}
	palette := color.Palette(slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return often[b] - often[a] }))
	small := image.NewPaletted(area, palette[:min(len(palette), 256)])
	nearest := map[color.Color]uint8{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c := full.At(x, y)
			if _, known := nearest[c]; !known {
				nearest[c] = uint8(small.Palette.Index(c))
			}
			small.SetColorIndex(x, y, nearest[c])
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, small); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unlike says in what two pictures differ that should not.
func unlike(want, got image.Image) string {
	a, b := want.Bounds(), got.Bounds()
	if a.Dx() != b.Dx() || math.Abs(float64(a.Dy()-b.Dy())) > 0.1*float64(a.Dy())+20 {
		return fmt.Sprintf("it is %v, not about %v", b.Size(), a.Size())
	}
	const square = 40
	sum, n := 0.0, 0
	for y := 0; y+square <= a.Dy(); y += square {
		at := y * (b.Dy() - square) / max(a.Dy()-square, 1) // stretched to the same height
		for x := 0; x+square <= a.Dx(); x += square {
			sum += math.Abs(brightness(want, a.Min.X+x, a.Min.Y+y, square) - brightness(got, b.Min.X+x, b.Min.Y+at, square))
			n++
		}
	}
	if mean := sum / float64(max(n, 1)); mean > 14 {
		return fmt.Sprintf("its squares differ by %.1f of 255 in the mean", mean)
	}
	return ""
}

func brightness(m image.Image, x, y, size int) float64 {
	sum := 0.0
	for dy := 0; dy < size; dy += 2 {
		for dx := 0; dx < size; dx += 2 {
			r, g, b, _ := m.At(x+dx, y+dy).RGBA()
			sum += float64(r+g+b) / 3 / 257
		}
	}
	return sum / float64(size/2*size/2)
}

// The comparison tells a picture from another page's and from the dark one.
func TestUnlikeTells(t *testing.T) {
	picture := func(name string) image.Image {
		data, err := os.ReadFile("testdata/screens/" + name + ".png")
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	one := picture("overview-800-light")
	if why := unlike(one, one); why != "" {
		t.Errorf("a picture differs from itself: %s", why)
	}
	for _, other := range []string{"overview-800-dark", "tables-800-light", "overview-360-light"} {
		if unlike(one, picture(other)) == "" {
			t.Errorf("%s is taken for it", other)
		}
	}
}
