"""An MCP server that answers at once: what a call takes through it is what the client and two pipes take.

Its one tool, `nothing`, gives a text as short as that of a write. It knows the older revision alone, so that a client
falls back as it does with the official memory server.
"""

import json
import sys

RESULTS = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                   "serverInfo": {"name": "instant", "version": "1"}},
    "tools/list": {"tools": [{"name": "nothing", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [{"type": "text", "text": "done"}]},
}

for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        result = RESULTS.get(message["method"])
        if result is None:
            answer["error"] = {"code": -32601, "message": "there is no such method"}
        else:
            answer["result"] = result
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
