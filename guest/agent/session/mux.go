package session

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// stallTimeout bounds how long a session may leave received bytes unread before it is dropped: while it does, no SYNC can be seen.
const stallTimeout = 5 * time.Second

// Mux is the one owner of a port: one reader, one writer, for ever. It is a net.Listener whose connections are sessions.
type Mux struct {
	port     io.ReadWriter
	accepted chan net.Conn
	closed   chan struct{}
	closing  sync.Once

	mu   sync.Mutex
	wake *sync.Cond
	// current is the session that may send; nil before the first SYNC and after an end.
	current *session
	// readyOwed asks the writer for the READY of the current session, ahead of its frames.
	readyOwed bool
	// pending is the one frame that waits for the writer; always of the current session.
	pending []byte
}

// session is the port's end of one connection.
type session struct {
	nonce Nonce
	inner net.Conn
}

// NewMux takes over a port and starts its reader and its writer. Reads and writes of the port must block.
func NewMux(port io.ReadWriter) *Mux {
	m := &Mux{port: port, accepted: make(chan net.Conn, 8), closed: make(chan struct{}), pending: make([]byte, 0, MaxFrame)}
	m.wake = sync.NewCond(&m.mu)
	go m.read()
	go m.write()
	return m
}

// Accept returns the next session.
func (m *Mux) Accept() (net.Conn, error) {
	select {
	case conn := <-m.accepted:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the current session and Accept; reader and writer end with the port.
func (m *Mux) Close() error {
	m.closing.Do(func() {
		close(m.closed)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.replace(nil)
	})
	return nil
}

// Addr names the port.
func (m *Mux) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "virtio-serial" }
func (address) String() string  { return "alcove.agent" }

// read turns frames into sessions and their bytes until the port fails.
func (m *Mux) read() {
	defer m.Close()
	parser := NewParser(m.port)
	for {
		frame, err := parser.Next()
		if err != nil {
			return
		}
		if frame.Kind == Sync {
			m.open(frame.Nonce)
		} else {
			m.deliver(frame)
		}
	}
}

// open answers a SYNC: a new nonce replaces the session, a repeated one keeps it.
func (m *Mux) open(nonce Nonce) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.current == nil || m.current.nonce != nonce {
		inner, outer := net.Pipe()
		select {
		case m.accepted <- outer:
		default:
			// Nobody accepts any more; without an answer the host tries again.
			inner.Close()
			return
		}
		s := &session{nonce: nonce, inner: inner}
		m.replace(s)
		go m.pump(s)
	}
	m.readyOwed = true
	m.wake.Broadcast()
}

// replace drops the current session with all it wanted to send. The caller holds the lock.
func (m *Mux) replace(next *session) {
	if m.current != nil {
		m.current.inner.Close()
	}
	m.current, m.pending, m.readyOwed = next, m.pending[:0], false
	m.wake.Broadcast()
}

// deliver hands the bytes of a frame to its session.
func (m *Mux) deliver(frame Frame) {
	m.mu.Lock()
	s := m.current
	m.mu.Unlock()
	if s == nil || s.nonce.Tag() != frame.Tag {
		return
	}
	if len(frame.Payload) > 0 {
		s.inner.SetWriteDeadline(time.Now().Add(stallTimeout))
		if _, err := s.inner.Write(frame.Payload); err == nil {
			return
		}
	}
	// The host ended it, the server closed it, or it does not read.
	s.inner.Close()
}

// pump moves what a session sends to the writer, frame by frame, and reports its end.
func (m *Mux) pump(s *session) {
	defer s.inner.Close()
	frame := make([]byte, MaxFrame)
	for {
		n, err := s.inner.Read(frame[headerSize:])
		if n > 0 || err != nil {
			putHeader(frame, s.nonce.Tag(), n)
			if !m.send(s, frame[:headerSize+n]) {
				return
			}
		}
		if err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.current == s {
				m.current = nil
			}
			return
		}
	}
}

// send gives a frame to the writer, waiting for its turn; false when the session is no longer current.
func (m *Mux) send(s *session, frame []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.current == s && len(m.pending) > 0 {
		m.wake.Wait()
	}
	if m.current != s {
		return false
	}
	m.pending = append(m.pending[:0], frame...)
	m.wake.Broadcast()
	return true
}

// write is the only place that writes to the port. The lock is not held while it blocks, so that a slow host delays nobody else.
func (m *Mux) write() {
	buffer := make([]byte, 0, MaxFrame)
	for {
		m.mu.Lock()
		for !m.readyOwed && len(m.pending) == 0 {
			if m.isClosed() {
				m.mu.Unlock()
				return
			}
			m.wake.Wait()
		}
		if m.readyOwed && m.current != nil {
			buffer = AppendReady(buffer[:0], m.current.nonce)
		} else {
			buffer = append(buffer[:0], m.pending...)
			m.pending = m.pending[:0]
		}
		m.readyOwed = false
		m.wake.Broadcast()
		m.mu.Unlock()
		if err := writeAll(m.port, buffer); err != nil {
			m.Close()
			return
		}
	}
}

func (m *Mux) isClosed() bool {
	select {
	case <-m.closed:
		return true
	default:
		return false
	}
}

func writeAll(port io.Writer, bytes []byte) error {
	for len(bytes) > 0 {
		n, err := port.Write(bytes)
		if err != nil {
			return err
		}
		if n == 0 {
			return errors.New("port took no bytes")
		}
		bytes = bytes[n:]
	}
	return nil
}
