"""Measures tool calls through the official Python client: this node's MCP server and others, in turn with each other.

usage: run.py --antiphon BIN --node NODE --memory-server JS [--ai-memory BIN] [--facts N,N,...] [--seconds S] [--rounds N]

Every server begins with the same knowledge graph of so many entities with one observation each. What one client asks, it
asks one after the other, as an agent does. Rows are Markdown; progress goes to standard error.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

WORDS = [a + b for a in "ba ce di fo gu ha ki lo mu ne pa ri".split() for b in "ran tel von mis dor kel nus pit".split()]
QUESTION_WORDS = 3
TEXT_WORDS = 30
ADDED = "element-{round}-{number}"


def elements(count):
    """The same graph for everybody: each entity has a word of its own and some that many have."""
    choice = random.Random(7)
    for number in range(count):
        common = " ".join(choice.choices(WORDS, k=TEXT_WORDS))
        yield {"type": "entity", "name": f"system {number}", "entityType": "service",
               "observations": [f"note{number:06d} {common}"]}


class Timed:
    """Times of calls, in seconds."""

    def __init__(self):
        self.times = []

    async def run(self, seconds, most, call):
        end = time.perf_counter() + seconds
        for number in range(most):
            began = time.perf_counter()
            await call(number)
            done = time.perf_counter()
            self.times.append(done - began)
            if done >= end:
                break

    def figures(self):
        times = sorted(self.times)
        at = lambda part: times[min(len(times) - 1, int(part * len(times)))] * 1e3
        return f"{len(times) / sum(times):,.0f}/s; p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms ({len(times)} calls)"

    def rate(self):
        return len(self.times) / sum(self.times)


class Server:
    """A server with a client that is connected to it, and how it is asked for what is measured."""

    def __init__(self, name, command, arguments, environment, add, search):
        self.name, self.add, self.search = name, add, search
        self.parameters = StdioServerParameters(command=command, args=arguments, env=environment)
        self.timed = {"add": Timed(), "search": Timed()}

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments)
        if result.is_error:
            raise SystemExit(f"{self.name}: {tool}: {result.content}")
        return result

    async def measure(self, what, round, seconds, most, facts):
        choice = random.Random(round)
        make = getattr(self, what)

        async def one(number):
            await self.call(*make(round, number, choice.randrange(facts)))

        await self.timed[what].run(seconds, most, one)


def create_entity(round, number, _):
    entity = {"name": ADDED.format(round=round, number=number), "entityType": "service",
              "observations": [f"written in round {round} as number {number}"]}
    return "create_entities", {"entities": [entity]}


def search_nodes(_round, _number, fact):
    return "search_nodes", {"query": f"note{fact:06d}"}


def remember(round, number, _):
    return "remember", {"content": f"{ADDED.format(round=round, number=number)}: written as number {number}"}


def recall(_round, number, fact):
    words = random.Random(number).sample(WORDS, QUESTION_WORDS)
    return "recall", {"query": f"note{fact:06d} {' '.join(words)}", "limit": 10}


def store(round, number, _):
    title = ADDED.format(round=round, number=number)
    return "memory_store", {"title": title, "content": f"written as number {number}"}


def ai_recall(_round, number, fact):
    words = random.Random(number).sample(WORDS, QUESTION_WORDS)
    return "memory_search", {"query": f"note{fact:06d} {' '.join(words)}", "limit": 10}


class Node:
    """A daemon of ours with a home of its own."""

    def __init__(self, binary, home):
        self.binary, self.home = binary, home

    def run(self, *arguments):
        done = subprocess.run([self.binary, "--home", self.home, *arguments], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"antiphon {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def start(self):
        listen = ["--no-mdns", "--http", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"]
        self.run("up", "--detach", "--no-recovery", *listen)
        self.url = json.loads(self.run("status", "--json"))["http"]

    def stop(self):
        if (pathlib.Path(self.home) / "node.lock").exists():
            self.run("down")

    def inside(self):
        """The buckets of the calls' times inside the server, by tool."""
        token = next(pathlib.Path(self.home).glob("*token*")).read_text().strip()
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {token}"})
        text = urllib.request.urlopen(request).read().decode()
        found = {}
        for line in text.splitlines():
            match = re.match(r'antiphon_mcp_call_duration_seconds_bucket\{(.*)\} (\d+)', line)
            if match:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
                found.setdefault(labels["tool"], []).append((float(labels["le"].replace("+Inf", "inf")), int(match[2])))
        return found


def within(buckets, part):
    """The bound below which so great a part of the calls took, in milliseconds."""
    count = buckets[-1][1]
    return next(bound for bound, below in buckets if below >= part * count) * 1e3


async def measure(options, facts, dir, node):
    graph = dir / "memory.jsonl"
    graph.write_text("\n".join(json.dumps(element) for element in elements(facts)))
    node.start()
    began = time.perf_counter()
    node.run("import", "memory-server", str(graph))
    print(f"{facts:,} facts imported in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    environment = {**os.environ, "MEMORY_FILE_PATH": str(graph)}
    home = ["--home", node.home, "mcp"]
    servers = [
        Server("Antiphon", options.antiphon, home, None, remember, recall),
        Server("Antiphon as memory server", options.antiphon, [*home, "--profile", "memory-server"], None, create_entity,
               search_nodes),
        Server("official memory server", options.node, [options.memory_server], environment, create_entity, search_nodes),
    ]
    if options.ai_memory:
        database = str(dir / "ai.db")
        fill_ai_memory(options.ai_memory, database, facts, dir)
        servers.append(Server("ai-memory", options.ai_memory, ["--db", database, "mcp"], None, store, ai_recall))
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            server.client = await stack.enter_async_context(Client(stdio_client(server.parameters)))
        for round in range(options.rounds):
            for what in ("search", "add"):
                for server in servers if round % 2 == 0 else reversed(servers):
                    await server.measure(what, round, options.seconds, options.calls, facts)
        show(servers, node.inside(), facts)


def fill_ai_memory(binary, database, facts, dir):
    memories = []
    for element in elements(facts):
        memories.append({"title": element["name"], "content": element["observations"][0]})
    file = dir / "ai.json"
    file.write_text(json.dumps({"memories": memories, "links": []}))
    with file.open() as given:
        done = subprocess.run([binary, "--db", database, "import"], stdin=given, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"ai-memory import: {done.stderr}")


def show(servers, inside, facts):
    official = next(server for server in servers if server.name == "official memory server")
    for what in ("add", "search"):
        for server in servers:
            timed = server.timed[what]
            ratio = "" if server is official else f"{timed.rate() / official.timed[what].rate():.1f} ×"
            tool = getattr(server, what)(0, 0, 0)[0]
            p99 = f"p99 ≤ {within(inside[tool], 0.99):g} ms" if server.name.startswith("Antiphon") else ""
            print(f"| {facts:,} | {tool} | {server.name} | {timed.figures()} | {ratio} | {p99} |", flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--antiphon", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--memory-server", required=True)
    parser.add_argument("--ai-memory")
    parser.add_argument("--facts", default="1000,10000,100000")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2_000)
    options = parser.parse_args()
    print(f"Machine: {os.cpu_count()} cores, {platform.system().lower()}, Python {platform.python_version()}.\n")
    print("| facts | tool | server | through the client | beside the official one | inside the server |")
    print("|---|---|---|---|---|---|", flush=True)
    for facts in map(int, options.facts.split(",")):
        dir = pathlib.Path(tempfile.mkdtemp())
        node = Node(options.antiphon, str(dir / "home"))
        try:
            await measure(options, facts, dir, node)
        finally:
            node.stop()
            shutil.rmtree(dir)


asyncio.run(main())
