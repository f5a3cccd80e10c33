"""A switch that loses packets and is slow: bad_switch.py LOST_PERCENT LATE_MS SEED PORT...

It runs in a namespace of a test's own and carries frames between the ports that it is given, each to all others. Frames
come with what the kernel notes about checksums that are still to be made (`PACKET_VNET_HDR`), and go with the same.
"""

import heapq
import random
import select
import socket
import sys
import time

ETH_P_ALL = 0x0003
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
FRAME_BYTES_MAX = 1 << 17


def open_port(name):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.bind((name, 0))
    port.setblocking(False)
    return port


def main():
    lost, late, seed = float(sys.argv[1]) / 100, float(sys.argv[2]) / 1000, int(sys.argv[3])
    ports = [open_port(name) for name in sys.argv[4:]]
    chance = random.Random(seed)
    on_the_way, count = [], 0
    while True:
        wait = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        ready, _, _ = select.select(ports, [], [], wait)
        for port in ready:
            frame = port.recv(FRAME_BYTES_MAX)
            if chance.random() < lost:
                continue
            count += 1
            heapq.heappush(on_the_way, (time.monotonic() + late, count, port, frame))
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            _, _, came, frame = heapq.heappop(on_the_way)
            for port in ports:
                if port is not came:
                    try:
                        port.send(frame)
                    except OSError:
                        # A full queue or a machine that was unplugged: one more packet that is lost.
                        pass


main()
