"""Plays a session against an MCP server through the official Python client, and prints what it answered as JSON.

usage: memory_session.py SESSION.json stdio COMMAND ARGUMENT...
       memory_session.py SESSION.json http URL TOKEN_FILE

SESSION.json has "calls", each with a "tool" and "arguments". What is printed has the same calls with the "answer" of
each, and the "tools" that the server lists, without what is only for people. MEMORY_FILE_PATH goes to the server.
"""

import asyncio
import json
import os
import pathlib
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


def plain(schema):
    """A schema without descriptions, and with what is required in the order of the alphabet."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: plain(value) for key, value in schema.items() if key != "description" or isinstance(value, dict)}
    if isinstance(kept.get("required"), list):
        kept["required"] = sorted(kept["required"])
    return kept


def tool(listed):
    shape = listed.model_dump(by_alias=True, exclude_none=True)
    keys = ["name", "title", "inputSchema", "outputSchema", "annotations"]
    return {key: plain(shape[key]) for key in keys if key in shape}


def answer(result):
    shape = result.model_dump(by_alias=True, exclude_none=True)
    kept = {"content": shape["content"], "isError": shape.get("isError", False)}
    if "structuredContent" in shape:
        kept["structuredContent"] = shape["structuredContent"]
    return kept


async def play(client, calls):
    tools = [tool(listed) for listed in (await client.list_tools()).tools]
    played = []
    for call in calls:
        result = await client.call_tool(call["tool"], call["arguments"])
        played.append({**call, "answer": answer(result)})
    print(json.dumps({"tools": tools, "calls": played}, ensure_ascii=False))


async def main(session, transport, where, *rest):
    calls = json.loads(pathlib.Path(session).read_text(encoding="utf-8"))["calls"]
    if transport == "stdio":
        parameters = StdioServerParameters(command=where, args=list(rest), env=dict(os.environ))
        async with Client(stdio_client(parameters)) as client:
            await play(client, calls)
    else:
        token = pathlib.Path(rest[0]).read_text().strip()
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            async with Client(streamable_http_client(where, http_client=http)) as client:
                await play(client, calls)


asyncio.run(main(*sys.argv[1:]))
