package cmdlog

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 5e6, time.UTC)

func fixed() time.Time { return noon }

// sink is a host that reads, or, while its gate is closed, does not.
type sink struct {
	mu   sync.Mutex
	gate chan struct{}
	got  bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

func (s *sink) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func open() *sink {
	s := &sink{gate: make(chan struct{})}
	close(s.gate)
	return s
}

func TestLinesCarryTimeAndStream(t *testing.T) {
	host := open()
	log := New(host, fixed)
	log.Copy("stdout", strings.NewReader("one\ntwo\r\nlast without end"))
	log.Note("start command exited with code 0")
	log.Flush(5 * time.Second)
	time := "[2026-01-02T12:00:00.005Z] "
	want := time + "stdout: one\n" + time + "stdout: two\n" + time + "stdout: last without end\n" + time + "alcove: start command exited with code 0\n"
	eventually(t, func() bool { return host.text() == want })
}

func TestALongLineIsSplit(t *testing.T) {
	host := open()
	log := New(host, fixed)
	log.Copy("stderr", strings.NewReader(strings.Repeat("x", 2*maxLine+1)+"\n"))
	eventually(t, func() bool {
		return strings.Count(host.text(), "\n") == 3 && strings.Count(host.text(), "x") == 2*maxLine+1
	})
}

func TestAHostThatDoesNotReadCostsLinesAndNeitherTimeNorMemory(t *testing.T) {
	host := &sink{gate: make(chan struct{})}
	log := New(host, fixed)
	done := make(chan struct{})
	go func() {
		log.Copy("stdout", io.LimitReader(lines{}, 50<<20))
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		t.Fatal("the command is blocked")
	}
	log.mu.Lock()
	queued, dropped := len(log.queue), log.dropped
	log.mu.Unlock()
	if queued > maxQueued || dropped == 0 {
		t.Fatal(queued, dropped)
	}
	close(host.gate)
	log.Flush(5 * time.Second)
	log.Note("after")
	eventually(t, func() bool {
		return strings.Contains(host.text(), "lines dropped") && strings.HasSuffix(host.text(), "alcove: after\n")
	})
}

type lines struct{}

func (lines) Read(p []byte) (int, error) { return copy(p, strings.Repeat("y", 99)+"\n"), nil }

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not come true")
		}
	}
}
