"""Drives the official MCP memory server through the official Python client, so that it writes a real memory.jsonl.

usage: write_memory.py NODE SERVER_JS MEMORY_JSONL
"""

import asyncio
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

PEOPLE = ["Ada", "Barbara", "Edsger", "Grace", "Leslie", "Tony"]
SYSTEMS = ["billing", "search", "gateway", "scheduler", "archive"]


async def main(node, server, path):
    environment = {**os.environ, "MEMORY_FILE_PATH": path}
    parameters = StdioServerParameters(command=node, args=[server], env=environment)
    async with Client(stdio_client(parameters)) as client:
        entities = [
            {"name": name, "entityType": "person", "observations": [f"{name} reviews the {system} service"]}
            for name, system in zip(PEOPLE, SYSTEMS + ["release"])
        ] + [
            {"name": name, "entityType": "service", "observations": [f"{name} runs on port {8000 + n}", "deployed weekly"]}
            for n, name in enumerate(SYSTEMS)
        ]
        await call(client, "create_entities", {"entities": entities})
        relations = [
            {"from": person, "to": system, "relationType": "maintains"} for person, system in zip(PEOPLE, SYSTEMS)
        ]
        await call(client, "create_relations", {"relations": relations})
        contents = ["keeps the incident notebook in the blue cabinet", "prefers small commits"]
        await call(client, "add_observations", {"observations": [{"entityName": "Grace", "contents": contents}]})


async def call(client, tool, arguments):
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        sys.exit(f"{tool}: {result.content}")


asyncio.run(main(*sys.argv[1:]))
