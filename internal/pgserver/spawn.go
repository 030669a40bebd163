package pgserver

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skytools-go/skytools/internal/hint"
)

// starts carries commands to the one thread that starts them.
var (
	starts     chan func()
	startsOnce sync.Once
)

// startTied starts cmd so that the kernel sends it sig when this process ends;
// 0 = it may live on.
//
// The kernel watches the thread that forked, not the process, and Go ends
// threads as it likes. So one goroutine, which never returns, keeps a thread
// to itself and starts every server there: that thread ends with the process.
func startTied(cmd *exec.Cmd, sig syscall.Signal) error {
	startsOnce.Do(func() {
		starts = make(chan func())
		go func() {
			runtime.LockOSThread()
			for start := range starts {
				start()
			}
		}()
	})
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = sig
	failed := make(chan error)
	starts <- func() {
		if len(cmd.SysProcAttr.AmbientCaps) > 0 {
			failed <- startCapable(cmd)
			return
		}
		failed <- cmd.Start()
	}
	return <-failed
}

// noSetuidFixup is Linux's SECBIT_NO_SETUID_FIXUP.
const noSetuidFixup = 1 << 2

// startCapable starts a command that keeps a capability under another user.
// Without this bit of the thread, which the child inherits, the kernel drops
// the capability where it is needed: when the user changes, so that the
// program is not found, and in access(2), by which the server's programs look
// for one another. It runs on the thread that starts commands.
func startCapable(cmd *exec.Cmd) error {
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("read the thread's secure bits: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits|noSetuidFixup), 0, 0, 0); err != nil {
		return hint.With(fmt.Errorf("let the server's user pass through folders that it cannot enter: %w", err), "%s", elsewhere)
	}
	err = cmd.Start()
	restored := unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits), 0, 0, 0)
	return errors.Join(err, restored)
}
