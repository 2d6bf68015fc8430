// Command agent is PID 1 of the VM and the host's only way into it.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"alcove/agent/api"
	"alcove/agent/boot"
	"alcove/agent/cmdlog"
	"alcove/agent/configure"
	"alcove/agent/process"
	"alcove/agent/session"
	"alcove/agent/shutdown"
	"alcove/agent/stats"
)

// version is set by the build.
var version = "unknown"

const (
	// gcPercent and memoryLimit keep the agent small: the memory belongs to the workspace.
	gcPercent   = 25
	memoryLimit = 12 << 20
	portWait    = 10 * time.Second
	// defaultGrace is for shutdowns that are asked for from inside, by `poweroff` or `reboot`.
	defaultGrace = 10 * time.Second
	// maxFiles is the limit of open files that programs in the VM inherit.
	maxFiles = 1 << 20
)

func main() {
	if os.Getpid() != 1 {
		fmt.Println("alcove agent", version, "- runs as PID 1 of a VM only")
		os.Exit(2)
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(memoryLimit)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "alcove: agent failed:", err)
	}
	// The end of PID 1 is a kernel panic, which resets the machine and ends the VM.
	os.Exit(1)
}

func run() error {
	if err := boot.MountAll(); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: maxFiles, Max: maxFiles}); err != nil {
		return fmt.Errorf("raise the limit of open files: %w", err)
	}
	if err := boot.TuneMemory(); err != nil {
		return err
	}
	source, err := stats.Open("/proc")
	if err != nil {
		return err
	}
	port, err := session.OpenPort("alcove.agent", portWait)
	if err != nil {
		return err
	}
	// The kernel is quiet, so this is what the boot log begins with.
	fmt.Printf("alcove: agent %s is up, waiting for its configuration\n", version)
	reaper := process.NewReaper()
	log := cmdlog.New(openLog(), time.Now)
	machine := configure.NewMachine(reaper, log)
	ending := shutdown.New(reaper, log, machine)
	go obeySignals(ending)
	agent := &api.API{Version: version, Machine: machine, Stats: source, Shutdown: ending.Begin, SetClock: configure.SetClock}
	return newServer(agent.Handler()).Serve(session.NewMux(port))
}

// newServer speaks HTTP/2 without TLS and nothing else, with windows that fit a small VM.
func newServer(handler http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:        handler,
		Protocols:      protocols,
		MaxHeaderBytes: 16 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          128,
			MaxReceiveBufferPerConnection: 512 << 10,
			MaxReceiveBufferPerStream:     256 << 10,
		},
	}
}

// openLog returns the port of the command log. A VM without one runs all the same: its lines are dropped.
func openLog() interface{ Write([]byte) (int, error) } {
	port, err := session.OpenPort("alcove.log", 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "alcove:", err)
		return noPort{}
	}
	return port
}

type noPort struct{}

func (noPort) Write([]byte) (int, error) { return 0, os.ErrClosed }

// obeySignals takes what `reboot` (TERM), `halt` (USR1) and `poweroff` (USR2) send to PID 1, and outlives everything else
// that the runtime would die of.
func obeySignals(ending *shutdown.Sequence) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGSTKFLT, syscall.SIGPIPE, syscall.SIGALRM,
		syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGSEGV)
	for received := range signals {
		switch received {
		case syscall.SIGTERM:
			ending.Reboot(defaultGrace)
		case syscall.SIGUSR1, syscall.SIGUSR2:
			ending.Begin(defaultGrace)
		}
	}
}
