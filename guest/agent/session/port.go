package session

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Port is an open virtio-serial port. It is blocking on purpose: with epoll wake-ups were lost.
type Port struct {
	fd int
}

// OpenPort opens the port with the given name, waiting for it to appear.
func OpenPort(name string, wait time.Duration) (*Port, error) {
	deadline := time.Now().Add(wait)
	for {
		path, err := findPort(name)
		if err == nil {
			fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
			if err != nil {
				return nil, fmt.Errorf("open port %s at %s: %w", name, path, err)
			}
			return &Port{fd: fd}, nil
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func findPort(name string) (string, error) {
	paths, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(content)) == name {
			return "/dev/" + filepath.Base(filepath.Dir(path)), nil
		}
	}
	return "", fmt.Errorf("no virtio-serial port is named %s", name)
}

// Read waits for bytes. While no host is connected the driver answers 0 at once; that is no end, so it is asked again,
// at first after 1 ms and at last every 20 ms: the time a reconnecting host may lose.
func (p *Port) Read(buffer []byte) (int, error) {
	pause := time.Millisecond
	for {
		n, err := syscall.Read(p.fd, buffer)
		switch {
		case n > 0:
			return n, nil
		case err == syscall.EINTR || err == syscall.EAGAIN:
		case err != nil:
			return 0, err
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// Write waits until the host takes bytes; the driver takes at most 32 KiB at once.
func (p *Port) Write(bytes []byte) (int, error) {
	for {
		n, err := syscall.Write(p.fd, bytes)
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return 0, err
		}
		return n, nil
	}
}
