package configure

import (
	"encoding/binary"
	"fmt"
	"syscall"
)

// netlink is a route netlink socket: requests are sent one at a time, each is acknowledged.
// See rtnetlink(7) for the layouts.
type netlink struct {
	fd       int
	sequence uint32
}

func openNetlink() (*netlink, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	// The kernel answers at once; a bound keeps a defect from hanging the configuration.
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 5}); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return &netlink{fd: fd}, nil
}

func (n *netlink) close() { syscall.Close(n.fd) }

// attribute is one rtattr.
type attribute struct {
	kind  uint16
	value []byte
}

func number(value uint32) []byte { return binary.NativeEndian.AppendUint32(nil, value) }

// request sends one message and waits for its acknowledgement.
func (n *netlink) request(kind, flags uint16, header []byte, attributes ...attribute) error {
	n.sequence++
	message := make([]byte, syscall.SizeofNlMsghdr, 256)
	message = append(message, header...)
	for _, a := range attributes {
		message = binary.NativeEndian.AppendUint16(message, uint16(4+len(a.value)))
		message = binary.NativeEndian.AppendUint16(message, a.kind)
		message = append(message, a.value...)
		for len(message)%4 != 0 {
			message = append(message, 0)
		}
	}
	binary.NativeEndian.PutUint32(message[0:], uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], kind)
	binary.NativeEndian.PutUint16(message[6:], flags|syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	binary.NativeEndian.PutUint32(message[8:], n.sequence)
	if err := syscall.Sendto(n.fd, message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	return n.acknowledged()
}

func (n *netlink) acknowledged() error {
	buffer := make([]byte, 8192)
	for {
		length, _, err := syscall.Recvfrom(n.fd, buffer, 0)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:length])
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Seq != n.sequence || m.Header.Type != syscall.NLMSG_ERROR || len(m.Data) < 4 {
				continue
			}
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				return syscall.Errno(-code)
			}
			return nil
		}
	}
}

// setLink changes a link: flags to set, and attributes.
func (n *netlink) setLink(index int, flags uint32, attributes ...attribute) error {
	header := make([]byte, syscall.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	binary.NativeEndian.PutUint32(header[8:], flags)
	binary.NativeEndian.PutUint32(header[12:], flags)
	return n.request(syscall.RTM_NEWLINK, 0, header, attributes...)
}

// addAddress gives a link an IPv4 address; having it already is good.
func (n *netlink) addAddress(index int, ip [4]byte, prefix int) error {
	header := make([]byte, syscall.SizeofIfAddrmsg)
	header[0], header[1] = syscall.AF_INET, byte(prefix)
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	return n.request(syscall.RTM_NEWADDR, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, header,
		attribute{syscall.IFA_LOCAL, ip[:]}, attribute{syscall.IFA_ADDRESS, ip[:]})
}

// addRoute adds an IPv4 route of the main table: to a host on the link, or by default through a gateway.
func (n *netlink) addRoute(index int, prefix int, scope byte, address attribute) error {
	header := make([]byte, syscall.SizeofRtMsg)
	header[0], header[1] = syscall.AF_INET, byte(prefix)
	header[4], header[5], header[6], header[7] = syscall.RT_TABLE_MAIN, syscall.RTPROT_STATIC, scope, syscall.RTN_UNICAST
	return n.request(syscall.RTM_NEWROUTE, syscall.NLM_F_CREATE|syscall.NLM_F_REPLACE, header,
		address, attribute{syscall.RTA_OIF, number(uint32(index))})
}
