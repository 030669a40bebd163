// Package failpoint lets a test stop the program on either side of a commit.
//
// Every commit of this project is made inside [Commit], which passes two
// points, `NAME.before-commit` and `NAME.after-commit`. A crash test takes
// the names from [All] and kills the program at each in turn. Off, a point
// costs one atomic load.
//
// Points are armed by the environment variable SKYTOOLS_FAILPOINTS, a comma
// list of POINT=ACTION[@N]: the action is done at the Nth pass (default 1).
//
//	kill     SIGKILL to the own process
//	error    the point returns [ErrInjected]
//	pause    SIGSTOP to the own process
package failpoint

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Env is the name of the environment variable that arms points.
const Env = "SKYTOOLS_FAILPOINTS"

// ErrInjected is returned by a point whose action is `error`.
var ErrInjected = errors.New("injected failure")

const (
	before = ".before-commit"
	after  = ".after-commit"
)

type arm struct {
	action string
	left   int
}

var (
	armed atomic.Bool
	mu    sync.Mutex
	arms  map[string]*arm
)

// All lists every point, in the order of the table in points.go.
func All() []string {
	var all []string
	for _, p := range points {
		all = append(all, string(p)+before, string(p)+after)
	}
	return all
}

// ArmFromEnv arms the points that [Env] names. Programs call it once at start.
func ArmFromEnv() error {
	spec := os.Getenv(Env)
	if spec == "" {
		return nil
	}
	return Arm(spec)
}

// Arm arms the points of spec and disarms all others; "" disarms all.
func Arm(spec string) error {
	m := map[string]*arm{}
	for item := range strings.SplitSeq(spec, ",") {
		if item == "" {
			continue
		}
		name, what, _ := strings.Cut(item, "=")
		action, count, counted := strings.Cut(what, "@")
		a := &arm{action: action, left: 1}
		if counted {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				return fmt.Errorf("failpoint %q: %q is not a count", item, count)
			}
			a.left = n
		}
		if !known(name) {
			return fmt.Errorf("failpoint %q: no such point", name)
		}
		switch action {
		case "kill", "error", "pause":
		default:
			return fmt.Errorf("failpoint %q: action %q is not kill, error or pause", item, action)
		}
		m[name] = a
	}
	mu.Lock()
	arms = m
	mu.Unlock()
	armed.Store(len(m) > 0)
	return nil
}

func known(name string) bool {
	for _, n := range All() {
		if n == name {
			return true
		}
	}
	return false
}

// Commit runs commit, whose success makes work durable, between p's points.
// An error injected after the commit is returned although the work is done:
// that is what a connection lost at that moment looks like.
func Commit(p Point, commit func() error) error {
	if err := hit(p, before); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return err
	}
	return hit(p, after)
}

func hit(p Point, side string) error {
	if !armed.Load() {
		return nil
	}
	mu.Lock()
	a := arms[string(p)+side]
	fire := false
	if a != nil && a.left > 0 {
		a.left--
		fire = a.left == 0
	}
	mu.Unlock()
	if !fire {
		return nil
	}
	switch a.action {
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing more may happen
	case "pause":
		return syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	return fmt.Errorf("%s%s: %w", p, side, ErrInjected)
}
