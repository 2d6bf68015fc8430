package stats

import "testing"

func TestMemoryIsReadInBytes(t *testing.T) {
	total, available, err := parseMemory([]byte("MemTotal:         100 kB\nMemFree: 5 kB\nMemAvailable:     40 kB\n"))
	if err != nil || total != 102400 || available != 40960 {
		t.Fatal(total, available, err)
	}
	if _, _, err := parseMemory([]byte("nothing\n")); err == nil {
		t.Fatal("no total must be an error")
	}
}

func TestCPUCountsIdleAndWaitAsNotBusy(t *testing.T) {
	busy, total, err := parseCPU([]byte("cpu  1 2 3 100 50 4 5 6 9 9\ncpu0 0 0 0 0 0 0 0 0\n"))
	if err != nil || busy != 210 || total != 1710 {
		t.Fatal(busy, total, err)
	}
	if _, _, err := parseCPU([]byte("cpu0 1 2 3")); err == nil {
		t.Fatal("a short line must be an error")
	}
}

func TestOwnMachineIsMeasured(t *testing.T) {
	source, err := Open("/proc")
	if err != nil {
		t.Fatal(err)
	}
	stats, err := source.Read(true)
	if err != nil || stats.UptimeSeconds <= 0 || stats.MemoryTotalBytes <= stats.MemoryUsedBytes || stats.DiskTotalBytes <= 0 {
		t.Fatalf("%+v %v", stats, err)
	}
}
