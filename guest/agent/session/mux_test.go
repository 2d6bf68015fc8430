package session

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// host is the other end of a port.
type host struct {
	t    *testing.T
	conn net.Conn
}

func start(t *testing.T) (*Mux, host) {
	guestEnd, hostEnd := net.Pipe()
	mux := NewMux(guestEnd)
	t.Cleanup(func() { hostEnd.Close(); guestEnd.Close(); mux.Close() })
	return mux, host{t, hostEnd}
}

func (h host) write(bytes []byte) {
	h.t.Helper()
	h.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := h.conn.Write(bytes); err != nil {
		h.t.Fatal(err)
	}
}

func (h host) read(n int) []byte {
	h.t.Helper()
	buffer := make([]byte, n)
	h.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(h.conn, buffer); err != nil {
		h.t.Fatal(err)
	}
	return buffer
}

func (h host) sync() Nonce {
	h.t.Helper()
	var nonce Nonce
	rand.Read(nonce[:])
	h.write(syncRequest(nonce))
	h.awaitReady(nonce)
	return nonce
}

// awaitReady discards everything up to the READY of a session.
func (h host) awaitReady(nonce Nonce) {
	h.t.Helper()
	wanted := AppendReady(nil, nonce)
	seen := h.read(len(wanted))
	for !bytes.Equal(seen, wanted) {
		seen = append(seen[1:], h.read(1)...)
	}
}

func syncRequest(nonce Nonce) []byte {
	return append(append(make([]byte, MaxFrame), syncMagic[:]...), nonce[:]...)
}

func dataFrame(nonce Nonce, payload []byte) []byte {
	frame := make([]byte, headerSize, headerSize+len(payload))
	putHeader(frame, nonce.Tag(), len(payload))
	return append(frame, payload...)
}

func accept(t *testing.T, mux *Mux) net.Conn {
	t.Helper()
	conn, err := mux.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func TestBytesTravelBothWays(t *testing.T) {
	mux, host := start(t)
	nonce := host.sync()
	conn := accept(t, mux)
	host.write(dataFrame(nonce, []byte("hello")))
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello" {
		t.Fatal(string(got), err)
	}
	go conn.Write([]byte("world"))
	if frame := host.read(headerSize + 5); !bytes.Equal(frame, dataFrame(nonce, []byte("world"))) {
		t.Fatalf("%x", frame)
	}
}

func TestLargeWritesBecomeFramesOfAtMostTheMaximum(t *testing.T) {
	mux, host := start(t)
	nonce := host.sync()
	conn := accept(t, mux)
	sent := make([]byte, 3*MaxPayload+17)
	rand.Read(sent)
	go conn.Write(sent)
	var got []byte
	for len(got) < len(sent) {
		header := host.read(headerSize)
		length := int(binary.BigEndian.Uint16(header[2:]))
		if length > MaxPayload || Tag(header[4:]) != nonce.Tag() {
			t.Fatalf("%x", header)
		}
		got = append(got, host.read(length)...)
	}
	if !bytes.Equal(got, sent) {
		t.Fatal("bytes differ")
	}
}

func TestHalfAFrameOfADeadSessionDoesNotHideTheNextSync(t *testing.T) {
	mux, host := start(t)
	for cut := 1; cut < headerSize+1000; cut += 97 {
		nonce := host.sync()
		old := accept(t, mux)
		go io.Copy(io.Discard, old)
		host.write(dataFrame(nonce, make([]byte, 1000))[:cut])
		next := host.sync()
		conn := accept(t, mux)
		host.write(dataFrame(next, []byte("x")))
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal("cut at", cut, err)
		}
		if _, err := old.Write([]byte("late")); err == nil {
			t.Fatal("the old session can still write")
		}
		conn.Close()
	}
}

func TestFramesOfAnotherSessionAreDropped(t *testing.T) {
	mux, host := start(t)
	stale := host.sync()
	accept(t, mux)
	nonce := host.sync()
	conn := accept(t, mux)
	host.write(dataFrame(stale, []byte("stale")))
	host.write(dataFrame(nonce, []byte("fresh")))
	got := make([]byte, 5)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "fresh" {
		t.Fatal(string(got), err)
	}
}

func TestTheSameSyncAgainKeepsTheSession(t *testing.T) {
	mux, host := start(t)
	nonce := host.sync()
	conn := accept(t, mux)
	host.write(syncRequest(nonce))
	host.awaitReady(nonce)
	host.write(dataFrame(nonce, []byte("a")))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestAnEndFromTheHostEndsTheSession(t *testing.T) {
	mux, host := start(t)
	nonce := host.sync()
	conn := accept(t, mux)
	host.write(dataFrame(nonce, nil))
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
}

func TestAnEndOfTheServerIsToldToTheHost(t *testing.T) {
	mux, host := start(t)
	nonce := host.sync()
	accept(t, mux).Close()
	if frame := host.read(headerSize); !bytes.Equal(frame, dataFrame(nonce, nil)) {
		t.Fatalf("%x", frame)
	}
}

func TestAHostThatDoesNotReadDoesNotHideTheNextSync(t *testing.T) {
	mux, host := start(t)
	host.sync()
	conn := accept(t, mux)
	go io.Copy(conn, endless{})
	// The writer is stuck in the middle of a frame; the reader must still see this.
	var nonce Nonce
	rand.Read(nonce[:])
	host.write(syncRequest(nonce))
	host.awaitReady(nonce)
	accept(t, mux)
}

type endless struct{}

func (endless) Read(buffer []byte) (int, error) { return len(buffer), nil }

func TestReconnectsAmidTrafficNeverWedge(t *testing.T) {
	mux, host := start(t)
	go func() {
		for {
			conn, err := mux.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
	payload := make([]byte, 5000)
	for i := range 300 {
		rand.Read(payload)
		nonce := host.sync()
		frame := dataFrame(nonce, payload)
		host.write(frame)
		if i%3 == 0 {
			if got := host.read(len(frame)); !bytes.Equal(got, frame) {
				t.Fatal("echo differs in round", i)
			}
		}
		// Leave the echo half read and a frame half written.
		host.write(frame[:1+i*16])
	}
}

func FuzzParserSurvivesAnythingAndFindsTheNextSync(f *testing.F) {
	var nonce Nonce
	copy(nonce[:], "0123456789abcdef")
	f.Add([]byte{})
	f.Add(dataFrame(nonce, []byte("payload")))
	f.Add(dataFrame(nonce, []byte("payload"))[:9])
	f.Add(append(syncMagic[:], 1, 2, 3))
	f.Add([]byte{dataByte, 0, 0xff, 0xff})
	f.Add(bytes.Repeat([]byte{dataByte}, 100))
	f.Add(bytes.Repeat([]byte{controlByte}, 100))
	f.Fuzz(func(t *testing.T, noise []byte) {
		parser := NewParser(bytes.NewReader(append(append([]byte{}, noise...), syncRequest(nonce)...)))
		for {
			frame, err := parser.Next()
			if err != nil {
				t.Fatal("the SYNC after the noise was not found:", err)
			}
			if len(frame.Payload) > MaxPayload {
				t.Fatal("a payload of", len(frame.Payload))
			}
			if frame.Kind == Sync && frame.Nonce == nonce {
				return
			}
		}
	})
}
