"""Echo in Python: asyncio's streams, the same on uvloop, and gevent's sockets."""

import os
import socket
import sys

SERVER, SIZE = sys.argv[1], int(sys.argv[2])


def announce(port):
    print(f"pid={os.getpid()}\nport={port}", flush=True)


async def serve():
    async def echo(reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := await reader.read(SIZE):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=1024)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve_greenlets():
    def echo(connection, _):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(SIZE):
            connection.sendall(data)

    server = StreamServer(("127.0.0.1", 0), echo, backlog=1024)
    server.start()
    announce(server.server_port)
    server.serve_forever()


if SERVER == "gevent":
    from gevent.server import StreamServer

    serve_greenlets()
else:
    import asyncio

    if SERVER == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(serve())
