"""Asks a node what it knows, through the official Python client, and prints what came back as JSON lines.

usage: recall.py stdio ANTIPHON HOME QUERY...
       recall.py http URL TOKEN_FILE QUERY...
"""

import asyncio
import json
import pathlib
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


async def ask(client, queries):
    tools = {tool.name for tool in (await client.list_tools()).tools}
    missing = {"remember", "recall", "get", "update", "forget", "status"} - tools
    if missing:
        sys.exit(f"tools are missing: {missing}")
    for query in queries:
        result = await client.call_tool("recall", {"query": query})
        if result.is_error:
            sys.exit(f"recall {query!r}: {result.content}")
        print(json.dumps({"query": query, "result": result.structured_content}))


async def main(transport, where, secret, *queries):
    if transport == "stdio":
        parameters = StdioServerParameters(command=where, args=["--home", secret, "mcp"])
        async with Client(stdio_client(parameters)) as client:
            await ask(client, queries)
    else:
        token = pathlib.Path(secret).read_text().strip()
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            async with Client(streamable_http_client(where, http_client=http)) as client:
                await ask(client, queries)


asyncio.run(main(*sys.argv[1:]))
