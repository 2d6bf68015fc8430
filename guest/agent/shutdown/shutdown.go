// Package shutdown ends the VM in order: terminate, wait, kill, make the disk clean, leave.
package shutdown

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"alcove/agent/cmdlog"
	"alcove/agent/configure"
	"alcove/agent/process"
)

const (
	// answerDelay lets the answer to the request leave before the VM does.
	answerDelay = 50 * time.Millisecond
	// killWait bounds the wait after SIGKILL: a process stuck in the kernel must not keep the VM.
	killWait = 2 * time.Second
	logWait  = 500 * time.Millisecond
)

// Sequence is the one shutdown of the VM.
type Sequence struct {
	reaper  *process.Reaper
	log     *cmdlog.Log
	machine *configure.Machine
	once    sync.Once
}

// New returns a shutdown that has not begun.
func New(reaper *process.Reaper, log *cmdlog.Log, machine *configure.Machine) *Sequence {
	return &Sequence{reaper: reaper, log: log, machine: machine}
}

// Begin starts the power-off in the background; again, it does nothing.
func (s *Sequence) Begin(grace time.Duration) {
	s.once.Do(func() { go s.run(grace, "powering off") })
}

// Reboot is Begin for a restart: the VM ends in the same way, and says another reason.
func (s *Sequence) Reboot(grace time.Duration) {
	s.once.Do(func() { go s.run(grace, "rebooting") })
}

func (s *Sequence) run(grace time.Duration, what string) {
	time.Sleep(answerDelay)
	signalAll(syscall.SIGTERM)
	if !s.waitForAll(grace) {
		signalAll(syscall.SIGKILL)
		s.waitForAll(killWait)
	}
	s.log.Flush(logWait)
	if root := s.machine.Root(); root != nil {
		if err := root.Seal(); err != nil {
			fmt.Fprintln(os.Stderr, "alcove:", err)
		}
	}
	syscall.Sync()
	// To the VMM every end is the same reset, and to the kernel the same restart: the console tells the host which it was.
	fmt.Printf("alcove: %s\n", what)
	// Without ACPI there is no power button to press: the machine resets and the VMM, told not to reboot, ends.
	err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
	fmt.Fprintln(os.Stderr, "alcove: reboot:", err)
}

// signalAll signals every process but this one.
func signalAll(signal syscall.Signal) {
	if err := syscall.Kill(-1, signal); err != nil && err != syscall.ESRCH {
		fmt.Fprintln(os.Stderr, "alcove: signal all:", err)
	}
	// Whoever is stopped cannot act on it otherwise.
	if err := syscall.Kill(-1, syscall.SIGCONT); err != nil && err != syscall.ESRCH {
		fmt.Fprintln(os.Stderr, "alcove: continue all:", err)
	}
}

func (s *Sequence) waitForAll(wait time.Duration) bool {
	for deadline := time.Now().Add(wait); ; time.Sleep(5 * time.Millisecond) {
		if !s.reaper.HasChildren() {
			return true
		}
		if !time.Now().Before(deadline) {
			return false
		}
	}
}
