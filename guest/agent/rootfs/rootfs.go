// Package rootfs makes the workspace's file system of an image and a disk, and makes it the root of everything.
package rootfs

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	deviceWait = 2 * time.Second
	// resizeIoctl is EXT4_IOC_RESIZE_FS: _IOW('f', 16, __u64), the argument being the new number of blocks.
	resizeIoctl = 0x40086610
)

// Root is the mounted root. It keeps what is needed to make the disk clean after everything has been hidden by it.
type Root struct {
	// initramfs is the directory in which image and disk are mounted, out of reach of everybody else.
	initramfs int
}

// Mount mounts the image read-only and the disk over it, grows the disk's file system to the device, moves the mounts in
// `top` below it and switches the root of the whole process there.
func Mount(top []string) (*Root, error) {
	image, err := findDevice("/sys/block", "image", deviceWait)
	if err != nil {
		return nil, err
	}
	disk, err := findDevice("/sys/block", "disk", deviceWait)
	if err != nil {
		return nil, err
	}
	for _, directory := range []string{"/image", "/disk", "/newroot"} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, err
		}
	}
	if err := syscall.Mount(image.path, "/image", "erofs", syscall.MS_RDONLY, ""); err != nil {
		return nil, fmt.Errorf("mount the image: %w", err)
	}
	if err := syscall.Mount(disk.path, "/disk", "ext4", syscall.MS_NOATIME, ""); err != nil {
		return nil, fmt.Errorf("mount the disk: %w", err)
	}
	if err := grow("/disk", disk.sizeBytes); err != nil {
		return nil, err
	}
	for _, directory := range []string{"/disk/upper", "/disk/work"} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, fmt.Errorf("prepare the disk: %w", err)
		}
	}
	if err := syscall.Mount("overlay", "/newroot", "overlay", 0, "lowerdir=/image,upperdir=/disk/upper,workdir=/disk/work"); err != nil {
		return nil, fmt.Errorf("mount the disk over the image: %w", err)
	}
	return switchTo("/newroot", top)
}

// grow enlarges a mounted ext4 to the size of its device, while it is in use.
func grow(path string, deviceBytes uint64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return fmt.Errorf("size of the disk: %w", err)
	}
	blocks := deviceBytes / uint64(fs.Bsize)
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	// As large as the device already: the kernel answers 0 and does nothing.
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), resizeIoctl, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("grow the disk to %d bytes: %w", deviceBytes, errno)
	}
	return nil
}

func switchTo(root string, top []string) (*Root, error) {
	for _, path := range top {
		if err := os.MkdirAll(root+path, 0o755); err != nil {
			return nil, fmt.Errorf("make %s in the image: %w", path, err)
		}
		if err := syscall.Mount(path, root+path, "", syscall.MS_MOVE, ""); err != nil {
			return nil, fmt.Errorf("move %s: %w", path, err)
		}
	}
	initramfs, err := syscall.Open("/", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	// Root and working directory belong to all threads of the process, so this moves the agent as a whole.
	if err := syscall.Chdir(root); err != nil {
		return nil, err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return nil, fmt.Errorf("move the root: %w", err)
	}
	if err := syscall.Chroot("."); err != nil {
		return nil, fmt.Errorf("change the root: %w", err)
	}
	return &Root{initramfs: initramfs}, syscall.Chdir("/")
}

// Seal writes everything back and makes the disk read-only, so that it is clean. No other process may write any more.
func (r *Root) Seal() error {
	syscall.Sync()
	if err := syscall.Fchdir(r.initramfs); err != nil {
		return err
	}
	if err := syscall.Mount("", "disk", "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the disk read-only: %w", err)
	}
	return nil
}
