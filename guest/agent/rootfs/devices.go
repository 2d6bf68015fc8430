package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// device is a virtio-blk disk.
type device struct {
	path      string
	sizeBytes uint64
}

// findDevice returns the disk with the given serial below a sysfs `block` directory, waiting for it to appear.
func findDevice(sysBlock, serial string, wait time.Duration) (device, error) {
	deadline := time.Now().Add(wait)
	for {
		paths, _ := filepath.Glob(filepath.Join(sysBlock, "vd*", "serial"))
		for _, path := range paths {
			if content, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(content)) == serial {
				return readDevice(filepath.Dir(path))
			}
		}
		if time.Now().After(deadline) {
			return device{}, fmt.Errorf("no disk has the serial %q", serial)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func readDevice(directory string) (device, error) {
	content, err := os.ReadFile(filepath.Join(directory, "size"))
	if err != nil {
		return device{}, fmt.Errorf("size of %s: %w", directory, err)
	}
	// The kernel counts in sectors of 512 bytes, whatever the disk has.
	sectors, err := strconv.ParseUint(strings.TrimSpace(string(content)), 10, 50)
	if err != nil {
		return device{}, fmt.Errorf("size of %s: %w", directory, err)
	}
	return device{path: "/dev/" + filepath.Base(directory), sizeBytes: sectors * 512}, nil
}
