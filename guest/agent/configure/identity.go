package configure

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"alcove/agent/wire"
)

const (
	// mark ends each line of /etc/hosts that is ours; all others belong to the user and are kept.
	mark = "# alcove"
	// maxHostsBytes bounds what is read of a file the user may have filled.
	maxHostsBytes = 1 << 20
)

// SetClock sets the wall clock, ms since the epoch.
func SetClock(timeMs int64) error {
	now := syscall.NsecToTimeval(timeMs * int64(time.Millisecond))
	if err := syscall.Settimeofday(&now); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}

// writeIdentity writes who the VM is into the files of etc that programs look at.
func writeIdentity(etc string, c wire.Configuration) error {
	if err := os.MkdirAll(etc, 0o755); err != nil {
		return err
	}
	hosts, err := readBounded(filepath.Join(etc, "hosts"))
	if err != nil {
		return err
	}
	files := []struct {
		name, content string
		mode          os.FileMode
	}{
		{"hostname", c.Hostname + "\n", 0o644},
		{"machine-id", c.MachineID + "\n", 0o444},
		{"hosts", renderHosts(hosts, c.Hostname, c.Network.IP), 0o644},
		{"resolv.conf", renderResolver(c.Network.Nameservers), 0o644},
	}
	for _, file := range files {
		if err := replaceFile(filepath.Join(etc, file.name), file.content, file.mode); err != nil {
			return err
		}
	}
	return nil
}

// renderHosts keeps the user's lines and replaces ours.
func renderHosts(old []byte, hostname, ip string) string {
	var kept []string
	hasLocalhost := false
	for _, line := range strings.Split(strings.TrimRight(string(old), "\n"), "\n") {
		if strings.HasSuffix(line, mark) || (line == "" && len(kept) == 0) {
			continue
		}
		hasLocalhost = hasLocalhost || strings.HasPrefix(line, "127.0.0.1")
		kept = append(kept, line)
	}
	if !hasLocalhost {
		kept = append(kept, "127.0.0.1 localhost "+mark, "::1 localhost ip6-localhost ip6-loopback "+mark)
	}
	return strings.Join(append(kept, ip+" "+hostname+" "+mark), "\n") + "\n"
}

func renderResolver(nameservers []string) string {
	var text strings.Builder
	for _, server := range nameservers {
		text.WriteString("nameserver " + server + "\n")
	}
	return text.String()
}

// replaceFile swaps a file in by rename, so that a link in its place is replaced and not followed.
func replaceFile(path, content string, mode os.FileMode) error {
	temporary := path + ".alcove"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.WriteFile(temporary, []byte(content), mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// readBounded reads a regular file; anything else, or none, is empty.
func readBounded(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) || (err == nil && !info.Mode().IsRegular()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxHostsBytes))
	return bytes.ToValidUTF8(content, nil), err
}
