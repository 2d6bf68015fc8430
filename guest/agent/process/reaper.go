// Package process starts programs as PID 1 must: every child of the whole system is reaped, and nobody's exit status is lost.
package process

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"unsafe"
)

// Reaper is the only place that starts and waits for processes. (os/exec would wait for itself, and lose the race.)
type Reaper struct {
	// mu is held over fork and registration, and over each wait: an exit is never seen before its waiter is known.
	mu      sync.Mutex
	waiters map[int]chan syscall.WaitStatus
}

// NewReaper starts reaping.
func NewReaper() *Reaper {
	r := &Reaper{waiters: make(map[int]chan syscall.WaitStatus)}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD)
	go func() {
		for range signals {
			r.reap()
		}
	}()
	return r
}

// Start runs a program; its wait status arrives on the channel.
func (r *Reaper) Start(path string, argv []string, attr *syscall.ProcAttr) (int, <-chan syscall.WaitStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, err
	}
	done := make(chan syscall.WaitStatus, 1)
	r.waiters[pid] = done
	return pid, done, nil
}

func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if done, ok := r.waiters[pid]; ok {
			done <- status
			delete(r.waiters, pid)
		}
	}
}

// HasChildren says whether any process is left. Orphans come to PID 1, so no child means no process at all.
func (r *Reaper) HasChildren() bool {
	const allProcesses, noReap = 0, syscall.WNOHANG | syscall.WEXITED | syscall.WNOWAIT
	var info [128]byte
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, allProcesses, 0, uintptr(unsafe.Pointer(&info)), noReap, 0, 0)
	return errno != syscall.ECHILD
}
