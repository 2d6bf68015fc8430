package session

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// Kind says what a frame from the host is.
type Kind int

const (
	// Sync asks for a new session.
	Sync Kind = iota
	// Data carries bytes of a session; none means its end.
	Data
)

// Frame is one frame from the host. Payload is valid until the next call of Next.
type Frame struct {
	Kind    Kind
	Nonce   Nonce
	Tag     Tag
	Payload []byte
}

// Parser reads the guest's side of the port. It never fails on content: what is not a frame is skipped.
type Parser struct {
	source  *bufio.Reader
	payload [MaxPayload]byte
}

// NewParser returns a parser that reads from the port.
func NewParser(port io.Reader) *Parser {
	return &Parser{source: bufio.NewReaderSize(port, MaxFrame)}
}

// Next returns the next frame, or the error of the port.
func (p *Parser) Next() (Frame, error) {
	for {
		first, err := p.source.ReadByte()
		if err != nil {
			return Frame{}, err
		}
		var frame Frame
		var ok bool
		switch first {
		case dataByte:
			frame, ok, err = p.data()
		case controlByte:
			frame, ok, err = p.sync()
		}
		if err != nil || ok {
			return frame, err
		}
	}
}

// data reads a frame whose first byte was read. When the header is wrong nothing more is consumed, so that a SYNC inside is still found.
func (p *Parser) data() (Frame, bool, error) {
	header, err := p.source.Peek(headerSize - 1)
	if err != nil {
		return Frame{}, false, err
	}
	length := int(binary.BigEndian.Uint16(header[1:]))
	if header[0] != 0 || length > MaxPayload {
		return Frame{}, false, nil
	}
	frame := Frame{Kind: Data, Tag: Tag(header[3:]), Payload: p.payload[:length]}
	if _, err := p.source.Discard(headerSize - 1); err != nil {
		return Frame{}, false, err
	}
	_, err = io.ReadFull(p.source, frame.Payload)
	return frame, err == nil, err
}

// sync reads a SYNC whose first byte was read.
func (p *Parser) sync() (Frame, bool, error) {
	rest, err := p.source.Peek(magicSize - 1 + NonceSize)
	if err != nil {
		return Frame{}, false, err
	}
	if !bytes.Equal(rest[:magicSize-1], syncMagic[1:]) {
		return Frame{}, false, nil
	}
	frame := Frame{Kind: Sync, Nonce: Nonce(rest[magicSize-1:])}
	_, err = p.source.Discard(len(rest))
	return frame, err == nil, err
}
