package process

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEveryExitReachesItsWaiterAndOrphansAreReaped(t *testing.T) {
	const setChildSubreaper = 36
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	reaper := NewReaper()
	for round := range 50 {
		_, done, err := reaper.Start("/bin/sh", []string{"sh", "-c", "sleep 0.01 & exit 7"}, &syscall.ProcAttr{Env: os.Environ()})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case status := <-done:
			if status.ExitStatus() != 7 {
				t.Fatal(round, status)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the exit of round", round, "was lost")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); reaper.HasChildren(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("orphans are left")
		}
	}
}

func TestAMissingProgramIsAnErrorAndLeavesNoWaiter(t *testing.T) {
	reaper := NewReaper()
	if _, _, err := reaper.Start("/nonexistent", []string{"x"}, &syscall.ProcAttr{}); err == nil || len(reaper.waiters) != 0 {
		t.Fatal(err, reaper.waiters)
	}
}

func TestUsersAreResolvedInTheImage(t *testing.T) {
	etc := t.TempDir()
	os.WriteFile(filepath.Join(etc, "passwd"), []byte("broken\nroot:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n"), 0o644)
	os.WriteFile(filepath.Join(etc, "group"), []byte("node:x:1001:\nvideo:x:44:a,node\nwww:x:33:\n"), 0o644)
	for _, c := range []struct {
		spec     string
		uid, gid uint32
		groups   int
		home     string
	}{
		{"", 0, 0, 0, "/root"}, {"root", 0, 0, 0, "/root"}, {"node", 1000, 1001, 1, "/home/node"}, {"1000", 1000, 1001, 1, "/home/node"},
		{"node:www", 1000, 33, 0, "/home/node"}, {"1000:77", 1000, 77, 0, "/home/node"}, {"5:6", 5, 6, 0, "/"}, {"4242", 4242, 0, 0, "/"},
	} {
		got, err := ResolveUser(etc, c.spec)
		if err != nil || got.Credential.Uid != c.uid || got.Credential.Gid != c.gid || len(got.Credential.Groups) != c.groups || got.Home != c.home {
			t.Errorf("%q: %+v %+v %v", c.spec, got, got.Credential, err)
		}
	}
	for _, spec := range []string{"nobody-here", "node:nothing", "-1", "4294967295", "99999999999"} {
		if _, err := ResolveUser(etc, spec); err == nil {
			t.Errorf("%q was resolved", spec)
		}
	}
}

func TestAnImageWithoutDatabasesHasNumbersOnly(t *testing.T) {
	if got, err := ResolveUser(t.TempDir(), "12:34"); err != nil || got.Credential.Uid != 12 || got.Credential.Gid != 34 {
		t.Fatal(got, err)
	}
	if _, err := ResolveUser(t.TempDir(), "root"); err == nil {
		t.Fatal("a name was resolved without a database")
	}
}

func TestProgramsAreFoundAsAShellWould(t *testing.T) {
	directory := t.TempDir()
	os.WriteFile(filepath.Join(directory, "tool"), nil, 0o755)
	os.WriteFile(filepath.Join(directory, "data"), nil, 0o644)
	if got, err := lookUp([]string{"tool"}, "/nonexistent:"+directory, "/"); err != nil || got != filepath.Join(directory, "tool") {
		t.Fatal(got, err)
	}
	if got, err := lookUp([]string{"./tool"}, "", directory); err != nil || got != filepath.Join(directory, "tool") {
		t.Fatal(got, err)
	}
	for _, argv := range [][]string{nil, {""}, {"data"}, {"./missing"}, {directory}} {
		if got, err := lookUp(argv, directory, directory); err == nil {
			t.Error(argv, got)
		}
	}
}

func TestDefaultsDoNotReplaceWhatWasGiven(t *testing.T) {
	env := withDefault(withDefault([]string{"HOME=/x"}, "HOME", "/y"), "PATH", "/bin")
	if strings.Join(env, " ") != "HOME=/x PATH=/bin" || lookUpEnv([]string{"A=1", "A=2"}, "A") != "2" {
		t.Fatal(env)
	}
}
