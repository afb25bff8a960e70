package sessioninit

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"agentd/internal/frame"
)

// maxProcesses bounds what one stats looks at.
const maxProcesses = 8192

// cgroupFiles are looked for under /sys/fs/cgroup, where an engine shows a container its own group; version 2, then 1.
const cgroupFiles = "memory.current memory.max memory.events memory.peak cpu.stat cpu.max pids.current pids.max " +
	"memory/memory.usage_in_bytes memory/memory.limit_in_bytes memory/memory.oom_control " +
	"cpuacct/cpuacct.usage cpu/cpu.stat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.current pids/pids.max"

// stats counts the processes of the container, from /proc.
func (in *initd) stats() frame.Stats {
	s := frame.Stats{Connections: in.server.count(), Cgroup: map[string]string{}}
	proc, err := os.Open("/proc")
	if err == nil {
		names, _ := proc.Readdirnames(maxProcesses) //nolint:errcheck // what was read counts
		proc.Close()                                //nolint:errcheck // only read
		for _, name := range names {
			if name[0] >= '1' && name[0] <= '9' {
				addProcess(&s, name)
			}
		}
	}
	const most = 4 << 10
	for name := range strings.FieldsSeq(cgroupFiles) {
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", name)) // the kernel's own, so short
		if err == nil && len(text) <= most {
			s.Cgroup[name] = string(text)
		}
	}
	return s
}

// addProcess reads proc(5)'s stat: fields are counted behind the name, which may hold anything.
func addProcess(s *frame.Stats, pid string) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return // it has ended
	}
	_, rest, ok := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte{' '})
	fields := strings.Fields(string(rest))
	const utime, stime, cutime, cstime, threads, rss = 11, 12, 13, 14, 17, 21
	if !ok || len(fields) <= rss {
		return
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	s.Processes++
	s.Threads += int(number(threads))
	s.RSSBytes += number(rss) * int64(os.Getpagesize())
	s.CPUTicks += number(utime) + number(stime) + number(cutime) + number(cstime)
}
