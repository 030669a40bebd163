package daemon

import "golang.org/x/sys/unix"

// dup is dup2, which newer Linux ports do not have.
func dup(from, to int) error { return unix.Dup3(from, to, 0) }
