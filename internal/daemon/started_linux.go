package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// started tells when a process began, to a hundredth of a second; false where
// it is gone, also if its parent has not asked for its end yet.
func started(pid int) (time.Time, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Time{}, false
	}
	// The second field is a name in parentheses and may hold anything, the
	// third is the state, the 22nd the start in hundredths of a second since
	// the machine's.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var up unix.Timespec
	if len(fields) < 20 || strings.Contains("ZX", fields[0]) || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return time.Time{}, false
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	age := time.Duration(up.Nano()) - time.Duration(ticks)*10*time.Millisecond
	return time.Now().Add(-age), err == nil
}
