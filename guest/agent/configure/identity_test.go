package configure

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"alcove/agent/wire"
)

func TestHostsKeepsTheUsersLinesAndReplacesOurs(t *testing.T) {
	first := renderHosts(nil, "one", "10.0.0.5")
	if first != "127.0.0.1 localhost # alcove\n::1 localhost ip6-localhost ip6-loopback # alcove\n10.0.0.5 one # alcove\n" {
		t.Fatal(first)
	}
	second := renderHosts([]byte("1.2.3.4 mine\n"+first), "two", "10.0.0.6")
	if strings.Contains(second, "one") || !strings.HasPrefix(second, "1.2.3.4 mine\n127.0.0.1 ") || strings.Count(second, "localhost #") != 1 {
		t.Fatal(second)
	}
	if again := renderHosts([]byte(second), "two", "10.0.0.6"); again != second {
		t.Fatal(again)
	}
}

func TestIdentityReplacesLinksInsteadOfFollowingThem(t *testing.T) {
	directory := t.TempDir()
	etc, outside := filepath.Join(directory, "etc"), filepath.Join(directory, "outside")
	os.Mkdir(etc, 0o755)
	os.WriteFile(outside, []byte("untouched"), 0o600)
	for _, name := range []string{"resolv.conf", "hosts", "hostname", "machine-id"} {
		os.Symlink(outside, filepath.Join(etc, name))
	}
	c := wire.Configuration{Hostname: "box", MachineID: strings.Repeat("a", 32), Network: wire.Network{IP: "10.0.0.5", Nameservers: []string{"10.0.0.1"}}}
	if err := writeIdentity(etc, c); err != nil {
		t.Fatal(err)
	}
	if content, _ := os.ReadFile(outside); string(content) != "untouched" {
		t.Fatalf("%q", content)
	}
	if content, _ := os.ReadFile(filepath.Join(etc, "resolv.conf")); string(content) != "nameserver 10.0.0.1\n" {
		t.Fatalf("%q", content)
	}
}

func TestConfigurationIsCheckedBeforeAnythingIsTouched(t *testing.T) {
	good := wire.Configuration{BootID: "boot_a", Hostname: "box", TimeMs: 1, Entropy: make([]byte, 64), MachineID: strings.Repeat("0", 32), Network: wire.Network{Prefix: 32, MTU: 1500}}
	if err := Validate(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(c *wire.Configuration){
		"hostname":   func(c *wire.Configuration) { c.Hostname = "a b" },
		"boot":       func(c *wire.Configuration) { c.BootID = "" },
		"machine id": func(c *wire.Configuration) { c.MachineID = "x" },
		"entropy":    func(c *wire.Configuration) { c.Entropy = nil },
		"mtu":        func(c *wire.Configuration) { c.Network.MTU = 0 },
		"prefix":     func(c *wire.Configuration) { c.Network.Prefix = 24 },
		"nameserver": func(c *wire.Configuration) { c.Network.Nameservers = []string{"x\ny"} },
		"zero byte":  func(c *wire.Configuration) { c.Start = &wire.Start{Argv: []string{"a\x00b"}} },
	} {
		bad := good
		spoil(&bad)
		if Validate(bad) == nil {
			t.Error(name, "was accepted")
		}
	}
}
