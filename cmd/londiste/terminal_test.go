package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// watched INI TEXT KEY runs `status --watch` on a terminal of 80 by 24 until it
// shows the text, and presses q or ctrl-c: it must end well, and leave the
// terminal as it was.
func watched(ts *testscript.TestScript, s *story, args []string) {
	ours, theirs, err := terminal()
	ts.Check(err)
	defer ours.Close()
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	ts.Check(err)
	dir, err := programs()
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "londiste"), args[0], "status", "--watch", "--every", "0.1")
	cmd.Dir, cmd.Env = s.work, append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	pressed := make(chan string, 1)
	go func() { pressed <- answer(ours, args[1], map[string]string{"q": "q", "ctrl-c": "\x03"}[args[2]]) }()
	ended := cmd.Wait()
	after, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	_ = theirs.Close() // which ends the reader
	if shown := <-pressed; ended != nil || err != nil || *before != *after {
		ts.Fatalf("%v, terminal %+v, %v; it showed\n%q", ended, after, err, shown)
	}
}

// terminal is a new pseudo-terminal: our end, and the program's.
func terminal() (ours, theirs *os.File, err error) {
	if ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, err
	}
	if err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		return nil, nil, err
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, err
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	return ours, theirs, err
}

// answer presses a key once the text is shown, and reads on until the terminal
// is gone: the program must not wait for us. It returns what was shown.
func answer(ours *os.File, text, key string) string {
	var all strings.Builder
	buf := make([]byte, 4096)
	for pressed := false; ; {
		n, err := ours.Read(buf)
		if err != nil {
			return all.String()
		}
		all.Write(buf[:n])
		if !pressed && strings.Contains(all.String(), text) {
			pressed = true
			_, _ = ours.WriteString(key) // where it fails, the program does not end
		}
	}
}
