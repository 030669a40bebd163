package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestCPU: the CPU of a child that lives, of one that has ended, and none
// twice.
func TestCPU(t *testing.T) {
	const busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
	before := cpuOf(os.Getpid())
	if err := exec.Command("sh", "-c", busy).Run(); err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sh", "-c", busy+"; read line")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := cpuOf(os.Getpid()) - before
	if ended < 20*time.Millisecond {
		t.Fatalf("a busy child that has ended counts %s", ended)
	}
	pid := child.Process.Pid
	for last := time.Duration(-1); last != cpuOf(pid) || last == 0; time.Sleep(200 * time.Millisecond) {
		last = cpuOf(pid)
	}
	if both, twice := cpuOf(os.Getpid(), pid), cpuOf(os.Getpid()); both < cpuOf(pid)+ended || both-twice > 50*time.Millisecond {
		t.Errorf("with the child named as well it is %s, without %s", both, twice)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
}
