"""The legacy protocol with Python's websockets: python3 legacy.py [URL] [TOKEN]"""

import asyncio
import json
import os
import random
import sys

import websockets

URL = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:4000/ws/connect"
TOKEN = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("TOKEN")


async def main() -> None:
    seen: set[str] = set()
    cursor = "0"
    failures = 0
    while True:
        try:
            headers = {"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": cursor}
            # The library pings by itself, and closes a line that is dead.
            async with websockets.connect(URL, additional_headers=headers, ping_interval=20, ping_timeout=20) as socket:
                async for text in socket:
                    failures = 0
                    frame = json.loads(text)
                    event_id = frame.get("message_id")
                    if frame["type"] == "error":
                        print(frame["code"], frame["data"]["details"]["error"], file=sys.stderr)
                    # An event that comes again has the same id.
                    if event_id is None or event_id in seen:
                        continue
                    seen.add(event_id)
                    cursor = max(cursor, event_id, key=int)
                    if frame["type"] == "message_sent":
                        print(f"{frame['data']['sender_name']}: {frame['data']['content']}", flush=True)
            problem = "it ended"
        except websockets.InvalidStatus as refusal:
            if refusal.response.status_code == 401:
                raise SystemExit("refused: the token is not good. Start again with another token.") from None
            problem = f"the server answered {refusal.response.status_code} {refusal.response.reason_phrase}"
        except websockets.ConnectionClosed as closed:
            # 4401: the token has expired; 4403: an administrator has disconnected the user.
            if closed.rcvd and closed.rcvd.code in (4401, 4403):
                raise SystemExit(f"refused: {closed.rcvd.code} {closed.rcvd.reason}. Start again with another token.") from None
            problem = str(closed)
        except (OSError, EOFError, websockets.InvalidMessage) as error:
            problem = str(error) or type(error).__name__
        print(f"no connection to {URL}: {problem}. Coming back.", file=sys.stderr)
        await asyncio.sleep(min(10, 0.25 * 2**failures) * random.uniform(0.5, 1))
        failures += 1


if not TOKEN:
    raise SystemExit(__doc__)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
