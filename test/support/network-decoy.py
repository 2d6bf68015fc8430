"""Test tool: servers that must, or must not, be reached.

TCP echo on port 80 and on 22, UDP echo on port 9, a DNS responder on UDP and TCP port 53 that answers every question with 93.184.216.34;
all on every address of the namespace. Prints one JSON line per connection or datagram: {"proto", "from", "to", "port", "text" (UDP)}.
"""
import json, selectors, socket, struct

IP_PKTINFO, ANSWER = 8, socket.inet_aton("93.184.216.34")
selector = selectors.DefaultSelector()


def log(**what):
    print(json.dumps(what), flush=True)


def answer(question):
    end = 12
    while end < len(question) and question[end]:
        end += question[end] + 1
    end += 5
    head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    return head + question[12:end] + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + ANSWER


def tcp(port):
    server = socket.create_server(("0.0.0.0", port), backlog=64)
    server.setblocking(False)

    def accept():
        client, peer = server.accept()
        client.setblocking(False)
        log(proto="tcp", **{"from": peer[0]}, to=client.getsockname()[0], port=port)

        def read():
            try:
                data = client.recv(65536)
                if data:
                    client.send(struct.pack("!H", len(answer(data[2:]))) + answer(data[2:]) if port == 53 else data)
                    return
            except OSError:
                pass
            selector.unregister(client)
            client.close()

        selector.register(client, selectors.EVENT_READ, read)

    selector.register(server, selectors.EVENT_READ, accept)


def udp(port):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    server.bind(("0.0.0.0", port))

    def read():
        data, control, _, peer = server.recvmsg(65536, 1024)
        to = next(value[4:8] for level, kind, value in control if kind == IP_PKTINFO)
        log(proto="udp", **{"from": peer[0]}, to=socket.inet_ntoa(to), port=port, text=data[:40].decode("latin1"))
        # Answers from the address that was asked.
        info = struct.pack("=I4s4s", 0, to, b"\0" * 4)
        try:
            server.sendmsg([answer(data) if port == 53 else data], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, peer)
        except OSError:
            pass

    selector.register(server, selectors.EVENT_READ, read)


for port in (22, 53, 80):
    tcp(port)
for port in (9, 53):
    udp(port)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        key.data()
