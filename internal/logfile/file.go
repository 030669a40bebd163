package logfile

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/skytools-go/skytools/internal/hint"
)

// File is a log file that keeps within size × (count+1) bytes. When a line
// would reach size, log becomes log.1, log.1 becomes log.2, and what was
// log.count is gone. With size or count 0 it grows without limit.
type File struct {
	path  string
	size  int64
	count int

	mu sync.Mutex
	f  *os.File // nil after Close
}

// OpenFile opens or makes the log file for appending.
func OpenFile(path string, size int64, count int) (*File, error) {
	f := &File{path: path, size: size, count: count}
	return f, f.Reopen()
}

// Reopen opens the path anew, for when someone else has moved the file away.
// On failure the old file stays in use.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reopen()
}

func (f *File) reopen() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return hint.With(fmt.Errorf("log file: %w", err), "logfile in the ini file must name a file in a folder that is there and may be written")
	}
	if f.f != nil {
		_ = f.f.Close()
	}
	f.f = opened
	return nil
}

// Write appends one line, after a rotation where it is due.
func (f *File) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return 0, os.ErrClosed
	}
	// A rotation that fails must not cost the line: it goes to the old file.
	rotation := f.rotate(int64(len(line)))
	n, err := f.f.Write(line)
	return n, errors.Join(rotation, err)
}

func (f *File) rotate(more int64) error {
	if f.size <= 0 || f.count <= 0 {
		return nil
	}
	mine, err := f.f.Stat()
	if err != nil || mine.Size() == 0 || mine.Size()+more < f.size {
		return err
	}
	// A daemon and a command may share the file: if the path is another file
	// by now, the other one has rotated already.
	if now, err := os.Stat(f.path); err == nil && os.SameFile(mine, now) {
		for i := f.count; i > 0; i-- {
			if err := os.Rename(f.numbered(i-1), f.numbered(i)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("rotate log file: %w", err)
			}
		}
	}
	return f.reopen()
}

func (f *File) numbered(i int) string {
	if i == 0 {
		return f.path
	}
	return fmt.Sprintf("%s.%d", f.path, i)
}

// Close closes the file; later writes fail.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}
