package testbed

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// userHZ is the clock tick of /proc, which Linux keeps at 100 a second for all programs.
const userHZ = 100

// CPU returns the user and system time that processes have used, with that of their
// children that ended and were waited for.
func CPU(pids ...int) (time.Duration, error) {
	ticks := 0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		n, err := ticksIn(string(text))
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHZ, nil
}

// ticksIn adds up utime, stime, cutime and cstime, the fields 14 to 17 of /proc/PID/stat.
func ticksIn(stat string) (ticks int, err error) {
	_, after, found := cutLast(stat, ")") // of the name, which may hold anything
	fields := strings.Fields(after)
	if !found || len(fields) < 15 {
		return 0, fmt.Errorf("cannot read %q", stat)
	}
	for _, f := range fields[11:15] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks, nil
}

// MachineCPU returns the time that all processors were busy since the machine started, or
// taken by the host (steal).
func MachineCPU() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal ...
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat: cannot read %q", first)
	}
	ticks := 0
	// idle (4) and iowait (5) are left out.
	for _, at := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.Atoi(fields[at])
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHZ, nil
}

// cutLast is strings.Cut at the last occurrence of sep.
func cutLast(s, sep string) (before, after string, found bool) {
	at := strings.LastIndex(s, sep)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(sep):], true
}

// Tree returns a process and all its descendants, as /proc has them now: a peer may be
// a server with workers.
func Tree(pid int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has just ended
		}
		_, after, _ := cutLast(string(text), ")")
		if fields := strings.Fields(after); len(fields) > 1 {
			parent, _ := strconv.Atoi(fields[1])
			children[parent] = append(children[parent], child)
		}
	}
	tree := []int{pid}
	for n := 0; n < len(tree); n++ {
		tree = append(tree, children[tree[n]]...)
	}
	return tree, nil
}
