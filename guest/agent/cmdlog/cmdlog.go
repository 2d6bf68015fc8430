// Package cmdlog carries the output of the start command to the host, as text, line by line.
package cmdlog

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// maxLine is where a line is split, bytes.
	maxLine = 16 * 1024
	// maxQueued bounds what waits for the host, bytes.
	maxQueued = 128 * 1024
	// patience is how long output waits for a host that does not drain, before lines are dropped.
	patience = time.Second
	// timeFormat is RFC 3339 with milliseconds; times are UTC.
	timeFormat = "2006-01-02T15:04:05.000Z"
)

// Log is the bounded way to the host. A host that does not drain costs lines, never the command.
type Log struct {
	now  func() time.Time
	port io.Writer

	mu   sync.Mutex
	wake *sync.Cond
	// queue holds whole lines that were not yet written.
	queue []byte
	// stalled is set when a line waited in vain, until the port takes bytes again: meanwhile lines are dropped at once.
	stalled bool
	dropped int
}

// New starts a log that writes to port.
func New(port io.Writer, now func() time.Time) *Log {
	l := &Log{now: now, port: port}
	l.wake = sync.NewCond(&l.mu)
	go l.drain()
	return l
}

// Note writes a line of the agent's own.
func (l *Log) Note(text string) { l.line("alcove", []byte(text)) }

// Copy writes everything from source as lines of a stream, until it ends. It does not return early and never stops reading.
func (l *Log) Copy(stream string, source io.Reader) {
	buffer := make([]byte, maxLine)
	held := 0
	for {
		n, err := source.Read(buffer[held:])
		held += n
		start := 0
		for {
			end := bytes.IndexByte(buffer[start:held], '\n')
			if end < 0 {
				break
			}
			l.line(stream, buffer[start:start+end])
			start += end + 1
		}
		held = copy(buffer, buffer[start:held])
		if held == maxLine || (err != nil && held > 0) {
			l.line(stream, buffer[:held])
			held = 0
		}
		if err != nil {
			return
		}
	}
}

func (l *Log) line(stream string, text []byte) {
	prefix := fmt.Sprintf("[%s] %s: ", l.now().UTC().Format(timeFormat), stream)
	size := len(prefix) + len(text) + 1
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.waitForRoom(size) {
		l.dropped++
		return
	}
	l.reportDropped()
	l.queue = append(append(append(l.queue, prefix...), bytes.TrimSuffix(text, []byte{'\r'})...), '\n')
	l.wake.Broadcast()
}

// waitForRoom waits for the host, but not for ever. The caller holds the lock.
func (l *Log) waitForRoom(size int) bool {
	if len(l.queue)+size <= maxQueued {
		return true
	}
	if l.stalled {
		return false
	}
	expired := false
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		expired = true
		l.wake.Broadcast()
	})
	defer timer.Stop()
	for len(l.queue)+size > maxQueued && !expired && !l.stalled {
		l.wake.Wait()
	}
	if len(l.queue)+size <= maxQueued {
		return true
	}
	l.stalled = true
	return false
}

// reportDropped says how many lines are missing, where they are missing. The caller holds the lock.
func (l *Log) reportDropped() {
	if l.dropped == 0 {
		return
	}
	l.queue = fmt.Appendf(l.queue, "[%s] alcove: %d lines dropped: the host did not read them in time\n", l.now().UTC().Format(timeFormat), l.dropped)
	l.dropped = 0
}

// drain is the only place that writes to the port; it ends when the port fails, and then every line is dropped.
func (l *Log) drain() {
	var chunk []byte
	for {
		l.mu.Lock()
		for len(l.queue) == 0 {
			l.wake.Wait()
		}
		chunk = append(chunk[:0], l.queue[:min(len(l.queue), 32*1024)]...)
		l.mu.Unlock()
		n, err := l.port.Write(chunk)
		l.mu.Lock()
		l.queue = append(l.queue[:0], l.queue[n:]...)
		l.stalled = err != nil
		l.wake.Broadcast()
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Flush waits until everything was written, at most for the given time.
func (l *Log) Flush(wait time.Duration) {
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		l.mu.Lock()
		isEmpty := len(l.queue) == 0
		l.mu.Unlock()
		if isEmpty {
			return
		}
	}
}
