package boot

import (
	"fmt"
	"os"
	"syscall"
)

const (
	// smallMemory is the size below which what the kernel keeps free by default is more than a VM can spare.
	smallMemory = 256 << 20
	// smallReserve is kept free instead of 1.4 MiB in a VM of 128; all watermarks follow from it.
	smallReserve = "256"
)

// TuneMemory gives a small VM back a part of what its kernel keeps free.
func TuneMemory() error {
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return fmt.Errorf("read the size of memory: %w", err)
	}
	if uint64(info.Totalram)*uint64(info.Unit) >= smallMemory {
		return nil
	}
	if err := os.WriteFile("/proc/sys/vm/min_free_kbytes", []byte(smallReserve), 0o644); err != nil {
		return fmt.Errorf("set the reserve of free memory: %w", err)
	}
	return nil
}
