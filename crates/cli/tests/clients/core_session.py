"""Plays a session against a node through the official Python client, and prints what came back as JSON lines.

usage: core_session.py SESSION.json MODE stdio ANTIPHON HOME
       core_session.py SESSION.json MODE http URL TOKEN_FILE

MODE is "auto" for the newest revision that both know, "legacy" for the one before. The first line says which it was and
names the tools. A text "$name" in arguments stands for what an earlier step saved.
"""

import asyncio
import json
import pathlib
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def filled(value, saved):
    if isinstance(value, str) and value.startswith("$"):
        return saved[value[1:]]
    if isinstance(value, list):
        return [filled(item, saved) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, saved) for key, item in value.items()}
    return value


async def step(client, tool, arguments):
    try:
        result = await client.call_tool(tool, arguments)
    except Exception as error:
        return {"protocol_error": f"{type(error).__name__}: {error}"}
    text = "".join(block.text for block in result.content if block.type == "text")
    return {"error": bool(result.is_error), "text": text, "structured": result.structured_content}


async def play(client, steps):
    tools = [tool.name for tool in (await client.list_tools()).tools]
    print(json.dumps({"revision": client.protocol_version, "tools": tools}))
    saved = {}
    for one in steps:
        answer = await step(client, one["tool"], filled(one["arguments"], saved))
        for name, place in one.get("save", {}).items():
            saved[name] = answer["structured"][place.removeprefix("/")]
        print(json.dumps({**answer, "saved": saved}))


async def main(session, mode, transport, where, secret):
    steps = json.loads(pathlib.Path(session).read_text(encoding="utf-8"))["steps"]
    if transport == "stdio":
        parameters = StdioServerParameters(command=where, args=["--home", secret, "mcp"])
        async with Client(stdio_client(parameters), mode=mode) as client:
            await play(client, steps)
    else:
        token = pathlib.Path(secret).read_text().strip()
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            async with Client(streamable_http_client(where, http_client=http), mode=mode) as client:
                await play(client, steps)


asyncio.run(main(*sys.argv[1:]))
