// Package session makes connections of a virtio-serial port.
//
// The port is not a connection: a host that closes and reconnects within milliseconds is invisible to the guest, and bytes
// of the dead connection linger both ways. So the guest opens the port once, blocking, and this layer tells sessions apart.
//
// Host to guest, once per connection to the port and repeated with the same nonce until the answer comes:
//
//	padding   32768 bytes 00: completes a frame the guest may have half read; between frames it means nothing
//	SYNC      A5 'ALCSYNC' and a nonce of 16 random bytes
//
// Guest to host: READY = A5 'ALCRDY' 0A and the nonce. The guest drops the session before it; a repeated nonce keeps the
// session and is answered again. The host discards everything until the READY with its own nonce.
//
// Afterwards, both ways:
//
//	DATA      D7 00, length of the payload (16 bits, big endian, at most 32756), tag (first 8 bytes of the nonce), payload
//
// A length of 0 ends the session. The payloads of a session are one byte stream each way; HTTP/2 without TLS runs on it.
// The guest skips what it cannot parse and drops frames with another tag; to the host both are a breach that ends the connection.
// docs/agent-protocol.md says the same for people.
package session

import "encoding/binary"

const (
	// MaxFrame is the size of the largest frame, and of the padding, in bytes.
	MaxFrame = 32 * 1024
	// MaxPayload is what a frame carries at most, in bytes.
	MaxPayload = MaxFrame - headerSize
	// NonceSize is the size of the name of a session, in bytes.
	NonceSize = 16

	headerSize  = 12
	magicSize   = 8
	tagSize     = 8
	paddingByte = 0x00
	dataByte    = 0xD7
	controlByte = 0xA5
)

var (
	syncMagic  = [magicSize]byte{controlByte, 'A', 'L', 'C', 'S', 'Y', 'N', 'C'}
	readyMagic = [magicSize]byte{controlByte, 'A', 'L', 'C', 'R', 'D', 'Y', '\n'}
)

// Nonce names a session.
type Nonce [NonceSize]byte

// Tag is what each frame of a session carries of its nonce.
type Tag [tagSize]byte

// Tag returns the tag of the session.
func (n Nonce) Tag() Tag { return Tag(n[:tagSize]) }

// AppendReady appends the answer to a SYNC.
func AppendReady(to []byte, nonce Nonce) []byte {
	return append(append(to, readyMagic[:]...), nonce[:]...)
}

// putHeader writes the header of a frame with length bytes of payload to the start of frame.
func putHeader(frame []byte, tag Tag, length int) {
	frame[0], frame[1] = dataByte, 0
	binary.BigEndian.PutUint16(frame[2:], uint16(length))
	copy(frame[4:headerSize], tag[:])
}
