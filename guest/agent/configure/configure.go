// Package configure makes the VM the one it is to be: once per boot, when the host says so.
package configure

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"alcove/agent/boot"
	"alcove/agent/cmdlog"
	"alcove/agent/process"
	"alcove/agent/rootfs"
	"alcove/agent/wire"
)

// ErrOtherBoot is returned when the VM was configured for another boot.
var ErrOtherBoot = errors.New("this VM belongs to another boot")

// Machine is the state of the VM as the agent made it.
type Machine struct {
	reaper  *process.Reaper
	log     *cmdlog.Log
	command *process.Command

	mu      sync.Mutex
	bootID  string
	phase   wire.Phase
	message string
	root    *rootfs.Root
	// done is closed when the configuration of bootID has ended, well or not.
	done chan struct{}
}

// NewMachine returns a machine that waits for its configuration.
func NewMachine(reaper *process.Reaper, log *cmdlog.Log) *Machine {
	return &Machine{reaper: reaper, log: log, command: process.NewCommand(), phase: wire.Waiting}
}

// State is what Info needs to know of the machine.
type State struct {
	BootID  string
	Phase   wire.Phase
	Message string
	Start   wire.StartInfo
}

// State returns the state as it is now.
func (m *Machine) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return State{BootID: m.bootID, Phase: m.phase, Message: m.message, Start: m.command.Info()}
}

// Root returns the mounted root, or nil.
func (m *Machine) Root() *rootfs.Root {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.root
}

// Configure applies a configuration and waits for its end; the outcome is in State. The same boot again waits for, and changes, nothing more.
func (m *Machine) Configure(c wire.Configuration) error {
	m.mu.Lock()
	if m.done == nil {
		m.bootID, m.phase, m.done = c.BootID, wire.Configuring, make(chan struct{})
		go m.run(c)
	}
	bootID, done := m.bootID, m.done
	m.mu.Unlock()
	if bootID != c.BootID {
		return ErrOtherBoot
	}
	<-done
	return nil
}

// run is not tied to the request: a host that goes away in the middle finds the outcome when it comes back.
func (m *Machine) run(c wire.Configuration) {
	root, err := apply(c)
	if err == nil && c.Start != nil {
		m.command.Start(m.reaper, m.log, *c.Start)
	}
	// What the requests and the tables of a large configuration took goes back to the VM.
	debug.FreeOSMemory()
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(m.done)
	m.root, m.phase = root, wire.Ready
	if err != nil {
		m.phase, m.message = wire.Failed, wire.Message(err)
		fmt.Fprintln(os.Stderr, "alcove: not configured:", err)
	}
}

// apply does the steps in their order: randomness before anything that may use it, files after the root they are in.
func apply(c wire.Configuration) (*rootfs.Root, error) {
	if err := seed(c.Entropy); err != nil {
		return nil, err
	}
	if err := SetClock(c.TimeMs); err != nil {
		return nil, err
	}
	if err := syscall.Sethostname([]byte(c.Hostname)); err != nil {
		return nil, fmt.Errorf("set the host name: %w", err)
	}
	root, err := rootfs.Mount(boot.Top)
	if err != nil {
		return nil, err
	}
	if err := writeIdentity("/etc", c); err != nil {
		return root, fmt.Errorf("write the identity: %w", err)
	}
	if err := setNetwork(c.Network); err != nil {
		return root, fmt.Errorf("network: %w", err)
	}
	return root, nil
}

var (
	hostnamePattern  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$`)
	machineIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// Validate refuses what could not be applied, before anything is touched.
func Validate(c wire.Configuration) error {
	switch {
	case c.BootID == "" || len(c.BootID) > 128:
		return errors.New("bootId has 1 to 128 bytes")
	case !hostnamePattern.MatchString(c.Hostname):
		return fmt.Errorf("hostname %q is not one", c.Hostname)
	case !machineIDPattern.MatchString(c.MachineID):
		return errors.New("machineId has 32 lower-case hex digits")
	case len(c.Entropy) != 64:
		return errors.New("entropy has 64 bytes")
	case c.TimeMs <= 0:
		return errors.New("timeMs is after 1970")
	case c.Network.Prefix != 32:
		return errors.New("network.prefix is 32")
	case c.Network.MTU < 576 || c.Network.MTU > 65535:
		return errors.New("network.mtu is 576 to 65535")
	}
	for _, server := range c.Network.Nameservers {
		if _, err := netip.ParseAddr(server); err != nil {
			return fmt.Errorf("nameserver %q is not an address", server)
		}
	}
	if c.Start != nil {
		return validateStart(*c.Start)
	}
	return nil
}

func validateStart(start wire.Start) error {
	for _, text := range append(append([]string{start.Cwd, start.User}, start.Argv...), start.Env...) {
		if strings.ContainsRune(text, 0) {
			return errors.New("start holds a zero byte")
		}
	}
	return nil
}
