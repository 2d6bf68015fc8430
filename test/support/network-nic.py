"""Test tool: a NIC in the hands of an attacker.

Makes `tap0` in a network namespace of its own, as a VMM does, and holds its descriptor. If a namespace is named, the frames also go to
and from a tap `eth0` there, so that a whole Linux network stack can act as the guest. Lines on standard input are frames in hex that are
sent as they are; frames that arrive are printed as `< hex`. Ends with its standard input.
"""
import ctypes, fcntl, os, select, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, TUNSETIFF, TAP_NO_PI = 0x40000000, 0x400454CA, 0x1002


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "namespace")


def make_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_NO_PI))
    return tap


relay = None
if len(sys.argv) > 1:
    with open("/run/netns/" + sys.argv[1]) as guest:
        check(libc.setns(guest.fileno(), CLONE_NEWNET))
    relay = make_tap("eth0")
check(libc.unshare(CLONE_NEWNET))
nic = make_tap("tap0")
print("ready", flush=True)

pending, sources = b"", [0, nic] + ([relay] if relay is not None else [])


def send(to, frame):
    try:
        os.write(to, frame)
    except OSError:
        pass  # The link is down: the frame is lost, as on a wire.


while True:
    readable, _, broken = select.select(sources, [], [])
    if 0 in readable:
        chunk = os.read(0, 65536)
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            send(nic, bytes.fromhex(line.decode()))
    for tap in readable:
        if tap == 0:
            continue
        try:
            frame = os.read(tap, 65536)
        except OSError:
            sources.remove(tap)  # The tap was deleted.
            continue
        if tap == nic:
            print("<", frame.hex(), flush=True)
            if relay is not None:
                send(relay, frame)
        else:
            send(nic, frame)
