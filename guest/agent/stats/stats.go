// Package stats measures the VM from the inside.
package stats

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"alcove/agent/wire"
)

// tickMs is the length of one tick of /proc/stat: USER_HZ is 100 on every architecture we run on.
const tickMs = 10

// Source reads the kernel's counters. It holds its files open, so that a user who unmounts /proc stays manageable.
type Source struct {
	memory, cpu, uptime *os.File
}

// Open opens the counters below a proc directory.
func Open(proc string) (*Source, error) {
	var files [3]*os.File
	for i, name := range []string{"meminfo", "stat", "uptime"} {
		file, err := os.Open(proc + "/" + name)
		if err != nil {
			return nil, err
		}
		files[i] = file
	}
	return &Source{memory: files[0], cpu: files[1], uptime: files[2]}, nil
}

// Read measures. The disk is counted only when there is one.
func (s *Source) Read(hasDisk bool) (wire.Stats, error) {
	var stats wire.Stats
	var err error
	if stats.UptimeSeconds, err = s.Uptime(); err != nil {
		return stats, err
	}
	if stats.CPUBusyMs, stats.CPUTotalMs, err = s.cpuTimes(); err != nil {
		return stats, err
	}
	var available int64
	if stats.MemoryTotalBytes, available, err = s.memorySizes(); err != nil {
		return stats, err
	}
	stats.MemoryUsedBytes = stats.MemoryTotalBytes - available
	if hasDisk {
		var fs syscall.Statfs_t
		if err := syscall.Statfs("/", &fs); err != nil {
			return stats, fmt.Errorf("size of the disk: %w", err)
		}
		stats.DiskTotalBytes = int64(fs.Blocks) * fs.Bsize
		stats.DiskUsedBytes = int64(fs.Blocks-fs.Bfree) * fs.Bsize
	}
	return stats, nil
}

// Uptime returns the seconds since the kernel started.
func (s *Source) Uptime() (float64, error) {
	content, err := readAll(s.uptime)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(content), " ")
	return strconv.ParseFloat(first, 64)
}

// MemoryTotal returns what the kernel manages, bytes.
func (s *Source) MemoryTotal() (int64, error) {
	total, _, err := s.memorySizes()
	return total, err
}

func (s *Source) memorySizes() (total, available int64, err error) {
	content, err := readAll(s.memory)
	if err != nil {
		return 0, 0, err
	}
	return parseMemory(content)
}

func (s *Source) cpuTimes() (busyMs, totalMs int64, err error) {
	content, err := readAll(s.cpu)
	if err != nil {
		return 0, 0, err
	}
	return parseCPU(content)
}

// parseMemory reads MemTotal and MemAvailable of /proc/meminfo, in bytes.
func parseMemory(content []byte) (total, available int64, err error) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 52)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	if total == 0 {
		return 0, 0, fmt.Errorf("no MemTotal in meminfo")
	}
	return total, available, nil
}

// parseCPU reads the first line of /proc/stat: user nice system idle iowait irq softirq steal; guest time is in user already.
func parseCPU(content []byte) (busyMs, totalMs int64, err error) {
	line, _, _ := strings.Cut(string(content), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, fmt.Errorf("no line of all CPUs in stat")
	}
	for i, field := range fields[1:9] {
		ticks, err := strconv.ParseInt(field, 10, 52)
		if err != nil {
			return 0, 0, fmt.Errorf("stat: %w", err)
		}
		totalMs += ticks * tickMs
		if isIdle := i == 3 || i == 4; !isIdle {
			busyMs += ticks * tickMs
		}
	}
	return busyMs, totalMs, nil
}

// readAll reads a file of /proc from its start, as much as any line we want needs.
func readAll(file *os.File) ([]byte, error) {
	buffer := make([]byte, 4096)
	n, err := file.ReadAt(buffer, 0)
	if n == 0 && err != nil {
		return nil, err
	}
	return buffer[:n], nil
}

// CPUs returns how many CPUs are online.
func CPUs() int { return runtime.NumCPU() }
