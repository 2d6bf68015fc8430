// Package boot makes the initramfs usable: the kernel's file systems, mounted before anything else.
package boot

import (
	"fmt"
	"os"
	"syscall"
)

type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

const quiet = syscall.MS_NOSUID | syscall.MS_NOEXEC | syscall.MS_NODEV

// Parents first.
var mounts = []mount{
	{"proc", "/proc", "proc", quiet, ""},
	{"sysfs", "/sys", "sysfs", quiet, ""},
	{"devtmpfs", "/dev", "devtmpfs", syscall.MS_NOSUID, "mode=0755"},
	{"devpts", "/dev/pts", "devpts", syscall.MS_NOSUID | syscall.MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=1777"},
	{"mqueue", "/dev/mqueue", "mqueue", quiet, ""},
	{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV, "mode=0755,size=20%"},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", quiet, ""},
}

// Top are the mounts that move to the final root, each with those below it.
var Top = []string{"/proc", "/sys", "/dev", "/run"}

// MountAll mounts the kernel's file systems.
func MountAll() error {
	for _, m := range mounts {
		// Directories below sysfs exist already and cannot be made.
		if err := os.MkdirAll(m.target, 0o755); err != nil && !os.IsPermission(err) {
			return fmt.Errorf("make %s: %w", m.target, err)
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, "/dev/"+name); err != nil && !os.IsExist(err) {
			return fmt.Errorf("link /dev/%s: %w", name, err)
		}
	}
	return nil
}
