package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skytools-go/skytools/internal/hint"
)

const elsewhere = "run as an ordinary user, or from a folder that others may enter"

// account is who the server's processes run as. The zero value is the
// process's own user.
type account struct {
	other bool // another user than ours: we are root
	uid   int
	gid   int
}

// serverAccount chooses the user: ourselves, or an unprivileged one for root.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil || uid == 0 {
			continue
		}
		return account{other: true, uid: uid, gid: gid}, nil
	}
	return account{}, hint.With(errors.New("no ordinary user to run PostgreSQL as"),
		"the server refuses to run as root: run as another user, or make a user named postgres")
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// enters tells whether the account may pass through every folder down to dir,
// which exists. Only the classic bits are read: an ACL that allows more makes
// the answer too careful, never wrong the other way in practice.
func (a account) enters(dir string) bool {
	if !a.other {
		return true
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	for {
		st, err := os.Stat(dir)
		if err != nil || !a.searchable(st) {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

func (a account) searchable(st os.FileInfo) bool {
	mode := st.Mode().Perm()
	sys, ok := st.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(sys.Uid) == a.uid:
		return mode&0o100 != 0
	case ok && int(sys.Gid) == a.gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

// attributes returns how a process of the account is started so that it can
// reach all of dirs.
func (a account) attributes(dirs ...string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{}
	if !a.other {
		return attr, nil
	}
	attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	for _, dir := range dirs {
		if dir == "" || a.enters(dir) {
			continue
		}
		c, ok := passCapability()
		if !ok {
			return nil, hint.With(fmt.Errorf("user %d, which runs the server, cannot enter %s", a.uid, dir), "%s", elsewhere)
		}
		attr.AmbientCaps = []uintptr{c}
		break
	}
	return attr, nil
}

// passCapability finds a capability of our own that passes through folders
// whose bits forbid it. The first one allows reading only.
func passCapability() (uintptr, bool) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, false
	}
	for _, c := range []uintptr{unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE} {
		if data[0].Permitted&(1<<c) != 0 {
			return c, true
		}
	}
	return 0, false
}
