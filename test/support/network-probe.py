"""Test tool: tries to reach something; prints `reached` or `failed`, with a reason.

probe.py tcp HOST PORT | udp HOST PORT | dns SERVER NAME | dnstcp SERVER NAME | stream HOST PORT
`stream` sends a line every 50 ms over one connection and prints the number of answers after each.
"""
import socket, struct, sys, time

kind, host, what = sys.argv[1:4]
question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + b"".join(bytes([len(p)]) + p.encode() for p in what.split(".")) + b"\0\0\x01\0\x01"
try:
    if kind == "tcp":
        with socket.create_connection((host, int(what)), 1) as s:
            s.sendall(b"hello")
            s.settimeout(1)
            assert s.recv(100) == b"hello"
    elif kind == "dnstcp":
        with socket.create_connection((host, 53), 1) as s:
            s.settimeout(1)
            s.sendall(struct.pack("!H", len(question)) + question)
            assert s.recv(1000)[-4:] == socket.inet_aton("93.184.216.34")
    elif kind in ("udp", "dns"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1)
        s.connect((host, 53 if kind == "dns" else int(what)))
        s.send(question if kind == "dns" else b"hello")
        reply = s.recv(1000)
        assert reply[-4:] == socket.inet_aton("93.184.216.34") if kind == "dns" else reply == b"hello"
    elif kind == "stream":
        answers, s = 0, socket.create_connection((host, int(what)), 2)
        s.setblocking(False)
        while True:
            try:
                s.send(b".")
                answers += len(s.recv(1000))
            except BlockingIOError:
                pass
            print(answers, flush=True)
            time.sleep(0.05)
    print("reached")
except (OSError, AssertionError) as error:
    print("failed", error)
