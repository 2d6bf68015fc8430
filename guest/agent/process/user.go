package process

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Identity is who a program runs as.
type Identity struct {
	Credential *syscall.Credential
	Home       string
}

// maxDatabaseBytes bounds what is read of a user database; an image may hold anything.
const maxDatabaseBytes = 4 << 20

// ResolveUser resolves `user`, `uid`, `user:group` or `uid:gid` by the databases in etc. Empty is root.
// A number that no user has is good, with group 0; a name that nobody has is not.
func ResolveUser(etc, spec string) (Identity, error) {
	name, group, hasGroup := strings.Cut(spec, ":")
	if name == "" {
		name = "0"
	}
	identity := Identity{Credential: &syscall.Credential{}, Home: "/"}
	login := ""
	fields, err := findEntry(filepath.Join(etc, "passwd"), 7, name, 2)
	if err != nil {
		return Identity{}, err
	}
	switch {
	case fields != nil:
		login = fields[0]
		if identity.Credential.Uid, err = parseID(fields[2]); err != nil {
			return Identity{}, err
		}
		if identity.Credential.Gid, err = parseID(fields[3]); err != nil {
			return Identity{}, err
		}
		if fields[5] != "" {
			identity.Home = fields[5]
		}
	default:
		if identity.Credential.Uid, err = parseID(name); err != nil {
			return Identity{}, fmt.Errorf("the image has no user %q", name)
		}
		if identity.Credential.Uid == 0 {
			identity.Home = "/root"
		}
	}
	if hasGroup {
		identity.Credential.Gid, err = resolveGroup(etc, group)
		return identity, err
	}
	identity.Credential.Groups, err = supplementary(etc, login)
	return identity, err
}

func resolveGroup(etc, group string) (uint32, error) {
	fields, err := findEntry(filepath.Join(etc, "group"), 4, group, 2)
	if err != nil {
		return 0, err
	}
	if fields != nil {
		return parseID(fields[2])
	}
	gid, err := parseID(group)
	if err != nil {
		return 0, fmt.Errorf("the image has no group %q", group)
	}
	return gid, nil
}

// supplementary lists the groups that name a user as a member.
func supplementary(etc, login string) ([]uint32, error) {
	var groups []uint32
	if login == "" {
		return groups, nil
	}
	err := eachEntry(filepath.Join(etc, "group"), 4, func(fields []string) bool {
		for _, member := range strings.Split(fields[3], ",") {
			if gid, err := parseID(fields[2]); member == login && err == nil {
				groups = append(groups, gid)
			}
		}
		// The kernel takes at most NGROUPS_MAX.
		return len(groups) < 65536
	})
	return groups, err
}

// findEntry returns the first entry whose name, or else whose number in column id, is key.
func findEntry(path string, columns int, key string, id int) ([]string, error) {
	var byName, byID []string
	err := eachEntry(path, columns, func(fields []string) bool {
		if fields[0] == key {
			byName = fields
		} else if byID == nil && fields[id] == key {
			byID = fields
		}
		return byName == nil
	})
	if byName != nil {
		return byName, err
	}
	return byID, err
}

// eachEntry calls visit with each well-formed line of a database until it returns false. A missing file has no lines.
func eachEntry(path string, columns int, visit func(fields []string) bool) error {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxDatabaseBytes {
		return fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxDatabaseBytes)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) >= columns && fields[0] != "" && !visit(fields) {
			return nil
		}
	}
	return lines.Err()
}

func parseID(text string) (uint32, error) {
	// The last number means "unchanged" to the kernel.
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("%q is not a user or group number", text)
	}
	return uint32(id), nil
}
