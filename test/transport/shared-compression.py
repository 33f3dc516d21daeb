# Connects to a server with Python's websockets and one offer of permessage-deflate, prints the texts of so many pushes of messages, and what was agreed.
import asyncio, json, sys
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

url, token, count, offer = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])

async def main():
    headers = {"Authorization": f"Bearer {token}"}
    name = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"
    extensions = [ClientPerMessageDeflateFactory(**offer)]
    async with websockets.connect(url, compression=None, extensions=extensions, **{name: headers}) as socket:
        # Compressed, as all that this client sends.
        await socket.send(json.dumps({"type": "ping", "data": {}}))
        contents = []
        while len(contents) < count:
            frame = json.loads(await socket.recv())
            if frame["type"] == "heartbeat":
                print("ready", flush=True)
            if frame["type"] == "message_sent":
                contents.append(frame["data"]["content"])
        print(json.dumps(contents), flush=True)

asyncio.run(main())
