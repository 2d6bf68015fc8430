package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"alcove/agent/cmdlog"
	"alcove/agent/wire"
)

const (
	defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// drainWait bounds how long the exit line waits for output that a surviving child may hold open.
	drainWait = 200 * time.Millisecond
)

// Command is the start command of the workspace.
type Command struct {
	mu   sync.Mutex
	info wire.StartInfo
}

// NewCommand returns a command that was not given yet.
func NewCommand() *Command { return &Command{info: wire.StartInfo{State: wire.StartNone}} }

// Info returns the state of the command.
func (c *Command) Info() wire.StartInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

func (c *Command) set(info wire.StartInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info = info
}

// Start runs the command; that it cannot be run is a state of it and a line in its log, not an error.
func (c *Command) Start(reaper *Reaper, log *cmdlog.Log, start wire.Start) {
	pid, exited, output, err := launch(reaper, log, start)
	if err != nil {
		message := wire.Message(err)
		c.set(wire.StartInfo{State: wire.StartFailed, Message: message})
		log.Note("start command failed: " + message)
		return
	}
	c.set(wire.StartInfo{State: wire.StartRunning, Pid: pid})
	go func() {
		status := <-exited
		code, message := describe(status)
		c.set(wire.StartInfo{State: wire.StartExited, Pid: pid, ExitCode: &code, Message: message})
		select {
		case <-output:
		case <-time.After(drainWait):
		}
		log.Note("start command " + message)
	}()
}

// launch starts the program with its output connected to the log; output closes when all of it was read.
func launch(reaper *Reaper, log *cmdlog.Log, start wire.Start) (pid int, exited <-chan syscall.WaitStatus, output <-chan struct{}, err error) {
	identity, err := ResolveUser("/etc", start.User)
	if err != nil {
		return 0, nil, nil, err
	}
	cwd := start.Cwd
	if cwd == "" {
		cwd = "/"
	}
	if info, err := os.Stat(cwd); err != nil || !info.IsDir() {
		return 0, nil, nil, fmt.Errorf("the working directory %q is not a directory of the image", cwd)
	}
	env := withDefault(withDefault(start.Env, "PATH", defaultPath), "HOME", identity.Home)
	program, err := lookUp(start.Argv, lookUpEnv(env, "PATH"), cwd)
	if err != nil {
		return 0, nil, nil, err
	}
	streams, err := openStreams()
	if err != nil {
		return 0, nil, nil, err
	}
	defer streams.closeChildEnds()
	pid, exited, err = reaper.Start(program, start.Argv, &syscall.ProcAttr{
		Dir:   cwd,
		Env:   env,
		Files: []uintptr{streams.null.Fd(), streams.stdoutWrite.Fd(), streams.stderrWrite.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: identity.Credential},
	})
	if err != nil {
		streams.stdoutRead.Close()
		streams.stderrRead.Close()
		return 0, nil, nil, fmt.Errorf("run %s: %w", program, err)
	}
	return pid, exited, streams.copyTo(log), nil
}

type streams struct {
	null, stdoutRead, stdoutWrite, stderrRead, stderrWrite *os.File
}

func openStreams() (s streams, err error) {
	if s.null, err = os.Open("/dev/null"); err != nil {
		return s, err
	}
	if s.stdoutRead, s.stdoutWrite, err = os.Pipe(); err != nil {
		s.null.Close()
		return s, err
	}
	if s.stderrRead, s.stderrWrite, err = os.Pipe(); err != nil {
		s.null.Close()
		s.stdoutRead.Close()
		s.stdoutWrite.Close()
	}
	return s, err
}

func (s streams) closeChildEnds() {
	s.null.Close()
	s.stdoutWrite.Close()
	s.stderrWrite.Close()
}

func (s streams) copyTo(log *cmdlog.Log) <-chan struct{} {
	var readers sync.WaitGroup
	for name, file := range map[string]*os.File{"stdout": s.stdoutRead, "stderr": s.stderrRead} {
		readers.Add(1)
		go func() {
			defer readers.Done()
			defer file.Close()
			log.Copy(name, file)
		}()
	}
	done := make(chan struct{})
	go func() {
		readers.Wait()
		close(done)
	}()
	return done
}

// lookUp finds a program as a shell would.
func lookUp(argv []string, path, cwd string) (string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return "", fmt.Errorf("the start command names no program")
	}
	if strings.Contains(argv[0], "/") {
		program := argv[0]
		if !filepath.IsAbs(program) {
			program = filepath.Join(cwd, program)
		}
		return program, checkProgram(program)
	}
	for _, directory := range filepath.SplitList(path) {
		program := filepath.Join(directory, argv[0])
		if filepath.IsAbs(directory) && checkProgram(program) == nil {
			return program, nil
		}
	}
	return "", fmt.Errorf("the program %q is not in PATH (%s)", argv[0], path)
}

func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("the program %q is not in the image", path)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%q is not an executable file", path)
	}
	return nil
}

func lookUpEnv(env []string, name string) string {
	// The last one counts, as in exec.
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value
		}
	}
	return ""
}

func withDefault(env []string, name, value string) []string {
	for _, entry := range env {
		if strings.HasPrefix(entry, name+"=") {
			return env
		}
	}
	return append(append([]string{}, env...), name+"="+value)
}

// describe says how a process ended; the code of a signal is 128 and its number, as shells have it.
func describe(status syscall.WaitStatus) (code int, message string) {
	if status.Signaled() {
		return 128 + int(status.Signal()), fmt.Sprintf("was ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return status.ExitStatus(), fmt.Sprintf("exited with code %d", status.ExitStatus())
}
