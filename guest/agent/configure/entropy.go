package configure

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"
)

const (
	// rndAddEntropy is RNDADDENTROPY: _IOW('R', 0x03, int[2]).
	rndAddEntropy = 0x40085203
	// rndReseed is RNDRESEEDCRNG: _IO('R', 0x07).
	rndReseed = 0x5207
)

// seed mixes host randomness into the kernel's and makes it count at once: clones start with the same state.
func seed(entropy []byte) error {
	if len(entropy) != 64 {
		return fmt.Errorf("entropy has %d bytes, not 64", len(entropy))
	}
	fd, err := syscall.Open("/dev/urandom", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open the random source: %w", err)
	}
	defer syscall.Close(fd)
	// struct rand_pool_info: bits of entropy, bytes, content.
	pool := make([]byte, 8, 8+len(entropy))
	binary.NativeEndian.PutUint32(pool[0:], uint32(len(entropy)*8))
	binary.NativeEndian.PutUint32(pool[4:], uint32(len(entropy)))
	pool = append(pool, entropy...)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), rndAddEntropy, uintptr(unsafe.Pointer(&pool[0]))); errno != 0 {
		return fmt.Errorf("add entropy: %w", errno)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), rndReseed, 0); errno != 0 {
		return fmt.Errorf("reseed: %w", errno)
	}
	return nil
}
