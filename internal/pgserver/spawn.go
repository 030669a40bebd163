package pgserver

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// starts carries commands to the one thread that starts them.
var (
	starts     chan func()
	startsOnce sync.Once
)

// startTied starts cmd so that the kernel sends it sig when this process ends.
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
	starts <- func() { failed <- cmd.Start() }
	return <-failed
}
