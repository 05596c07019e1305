"""An ASGI application for tests of connections: it says what it was sent, streams, and opens every WebSocket."""

import asyncio
from typing import Any

PIECE = b"x" * 65_536
PIECES = 512
made = {"pieces": 0}


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/stream":
        await stream(send)
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    said = f"{scope['path']} {made['pieces'] if scope['path'] == '/made' else size}\n".encode()
    headers = [(b"Content-Length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def stream(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    made["pieces"] = 0
    for _ in range(PIECES):
        made["pieces"] += 1
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
