package configure

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"alcove/agent/wire"
)

const (
	nic     = "eth0"
	nicWait = 2 * time.Second
)

// setNetwork brings up loopback and the NIC: a /32 address, the gateway on the link, everything else through it.
// None of it needs a carrier, so the NIC may be connected later.
func setNetwork(network wire.Network) error {
	ip, err := parseIPv4(network.IP)
	if err != nil {
		return err
	}
	gateway, err := parseIPv4(network.Gateway)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(network.MAC)
	if err != nil {
		return err
	}
	link, err := openNetlink()
	if err != nil {
		return err
	}
	defer link.close()
	loopback, err := linkIndex("lo", 0)
	if err != nil {
		return err
	}
	if err := link.setLink(loopback, syscall.IFF_UP); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	index, err := linkIndex(nic, nicWait)
	if err != nil {
		return err
	}
	steps := []struct {
		name string
		run  func() error
	}{
		{"set the hardware address", func() error { return setMAC(link, index, mac) }},
		{"set the MTU and up", func() error {
			return link.setLink(index, syscall.IFF_UP, attribute{syscall.IFLA_MTU, number(uint32(network.MTU))})
		}},
		{"add the address", func() error { return link.addAddress(index, ip, network.Prefix) }},
		{"add the route to the gateway", func() error {
			return link.addRoute(index, 32, syscall.RT_SCOPE_LINK, attribute{syscall.RTA_DST, gateway[:]})
		}},
		{"add the default route", func() error {
			return link.addRoute(index, 0, syscall.RT_SCOPE_UNIVERSE, attribute{syscall.RTA_GATEWAY, gateway[:]})
		}},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// setMAC changes the address only when it differs: not every NIC lets it be changed.
func setMAC(link *netlink, index int, mac net.HardwareAddr) error {
	current, err := os.ReadFile("/sys/class/net/" + nic + "/address")
	if err == nil && strings.EqualFold(strings.TrimSpace(string(current)), mac.String()) {
		return nil
	}
	return link.setLink(index, 0, attribute{syscall.IFLA_ADDRESS, mac})
}

func linkIndex(name string, wait time.Duration) (int, error) {
	for deadline := time.Now().Add(wait); ; time.Sleep(5 * time.Millisecond) {
		content, err := os.ReadFile("/sys/class/net/" + name + "/ifindex")
		if err == nil {
			return strconv.Atoi(strings.TrimSpace(string(content)))
		}
		if !time.Now().Before(deadline) {
			return 0, fmt.Errorf("no network interface is named %s", name)
		}
	}
}

func parseIPv4(text string) ([4]byte, error) {
	address, err := netip.ParseAddr(text)
	if err != nil || !address.Is4() {
		return [4]byte{}, fmt.Errorf("%q is not an IPv4 address", text)
	}
	return address.As4(), nil
}
