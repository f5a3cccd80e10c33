"""Measures tool calls through the official Python client: this node's MCP server and others, in turn with each other.

usage: run.py --antiphon BIN --node NODE --memory-server JS [--ai-memory BIN] [--facts N,N,...] [--seconds S] [--rounds N]

Every server begins with the same so many entities of one observation each, and answers a client of its own, which asks one
thing after the other as an agent does. First all are searched and then all are written to, in rounds that take the servers
in turn, forwards and backwards; a rate is the median of the rounds, and times are of all calls. Rows are Markdown; progress
goes to standard error.
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

HERE = pathlib.Path(__file__).parent
WORDS = [a + b for a in "ba ce di fo gu ha ki lo mu ne pa ri".split() for b in "ran tel von mis dor kel nus pit".split()]
QUESTION_WORDS = 3
TEXT_WORDS = 30
HITS = 10
IMPORTED_AT = "2026-01-01T00:00:00+00:00"
OFFICIAL = "official memory server"
# What is measured, in this order: one entity by its own word, a question of that and common words, and writing.
KINDS = ("search", "question", "add")
# Calls before each kind that are not counted: the first ones read what the others find ready.
WARM_CALLS = 5


def elements(count):
    """The same graph for everybody: each entity has a word of its own and some that many have."""
    choice = random.Random(7)
    for number in range(count):
        common = " ".join(choice.choices(WORDS, k=TEXT_WORDS))
        yield {"type": "entity", "name": f"system {number}", "entityType": "service",
               "observations": [f"note{number:06d} {common}"]}


def word(call):
    return f"note{call.fact:06d}"


def question(call):
    return f"{word(call)} {' '.join(random.Random(call.number).sample(WORDS, QUESTION_WORDS))}"


class Call:
    """What one call is about: a fact that is there, and a name that is new."""

    def __init__(self, round, number, fact):
        self.number, self.fact, self.name = number, fact, f"element-{round}-{number}"
        self.text = f"written in round {round} as number {number}"


def create_entities(call):
    return {"entities": [{"name": call.name, "entityType": "service", "observations": [call.text]}]}


CORE = {
    "search": ("recall", lambda call: {"query": word(call), "limit": HITS}),
    "question": ("recall", lambda call: {"query": question(call), "limit": HITS}),
    "add": ("remember", lambda call: {"content": f"{call.name}: {call.text}"}),
}
MEMORY_SERVER = {
    "search": ("search_nodes", lambda call: {"query": word(call)}),
    "add": ("create_entities", create_entities),
}
AI_MEMORY = {
    # As JSON, because its shortest form gives titles without texts. Its search wants every word of a question, its recall any.
    "search": ("memory_search", lambda call: {"query": word(call), "limit": HITS, "format": "json"}),
    "question": ("memory_recall", lambda call: {"context": question(call), "limit": HITS, "format": "json"}),
    "add": ("memory_store", lambda call: {"title": call.name, "content": call.text}),
}
INSTANT = {kind: ("nothing", lambda call: {}) for kind in ("search", "add")}


class Server:
    """A server with a client that is connected to it, how it is asked, and how long it took."""

    def __init__(self, name, command, arguments, tools, environment=None, node=None):
        self.name, self.tools, self.node = name, tools, node
        self.parameters = StdioServerParameters(command=command, args=arguments, env=environment)
        self.rates = {kind: [] for kind in tools}
        self.times = {kind: [] for kind in tools}
        self.inside = {}

    async def call(self, kind, call):
        tool, make = self.tools[kind]
        result = await self.client.call_tool(tool, make(call))
        if result.is_error:
            raise SystemExit(f"{self.name}: {tool}: {result.content}")
        return result

    async def warm(self, kind, facts):
        """A search must find its fact: what finds nothing is fast for everybody."""
        for number in range(WARM_CALLS):
            # No round has this number, so what is written is not written again.
            call = Call(-1, number, number * facts // WARM_CALLS)
            result = await self.call(kind, call)
            if kind != "add" and self.tools is not INSTANT and word(call) not in str(result.content):
                raise SystemExit(f"{self.name}: {self.tools[kind][0]} does not find {word(call)}: {result.content}")

    async def round(self, kind, round, seconds, most, facts):
        choice, times = random.Random(round), []
        began = now = time.perf_counter()
        for number in range(most):
            call = Call(round, number, choice.randrange(facts))
            before = time.perf_counter()
            await self.call(kind, call)
            now = time.perf_counter()
            times.append(now - before)
            if now - began >= seconds:
                break
        self.rates[kind].append(len(times) / sum(times))
        self.times[kind] += times

    def rate(self, kind):
        return statistics.median(self.rates[kind])

    def figures(self, kind):
        times = sorted(self.times[kind])
        at = lambda part: times[min(len(times) - 1, int(part * len(times)))] * 1e3
        rate = self.rate(kind)
        shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
        return f"{shown}/s; p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms ({len(times):,} calls)"


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

    def memory(self):
        """What the daemon has in memory, in MiB."""
        pid = re.search(r"\d+", (pathlib.Path(self.home) / "node.lock").read_text())
        status = pathlib.Path(f"/proc/{pid[0]}/status") if pid else None
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status and status.exists() else None
        return f"{int(found[1]) / 1024:.0f} MiB" if found else "unknown"

    def inside(self):
        """How many calls of each tool took at most how long inside the server since it started."""
        token = (pathlib.Path(self.home) / "http.token").read_text().strip()
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {token}"})
        text = urllib.request.urlopen(request).read().decode()
        found = {}
        for line in text.splitlines():
            match = re.match(r'antiphon_mcp_call_duration_seconds_bucket\{(.*)\} (\d+)', line)
            if match:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
                found.setdefault(labels["tool"], {})[float(labels["le"].replace("+Inf", "inf"))] = int(match[2])
        return found


def between(before, after, part):
    """The bound below which so great a part of the calls in between took, in milliseconds."""
    buckets = [(bound, count - before.get(bound, 0)) for bound, count in sorted(after.items())]
    return next(bound for bound, below in buckets if below >= part * buckets[-1][1]) * 1e3


def progress(text):
    print(text, file=sys.stderr, flush=True)


def servers_of(options, facts, dir, node):
    graph = dir / "memory.jsonl"
    graph.write_text("\n".join(json.dumps(element) for element in elements(facts)))
    node.start()
    began = time.perf_counter()
    node.run("import", "memory-server", str(graph))
    progress(f"{facts:,} entities imported in {time.perf_counter() - began:.1f} s; the daemon has {node.memory()}")
    home = ["--home", node.home, "mcp"]
    servers = [
        Server("Antiphon, profile core", options.antiphon, home, CORE, node=node),
        Server("Antiphon, profile memory-server", options.antiphon, [*home, "--profile", "memory-server"], MEMORY_SERVER,
               node=node),
        Server(OFFICIAL, options.node, [options.memory_server], MEMORY_SERVER,
               {**os.environ, "MEMORY_FILE_PATH": str(graph)}),
        Server("answers at once", sys.executable, ["-S", str(HERE / "instant.py")], INSTANT),
    ]
    if options.ai_memory:
        database = str(dir / "ai.db")
        began = time.perf_counter()
        fill_ai_memory(options.ai_memory, database, facts, dir)
        progress(f"{facts:,} memories imported by ai-memory in {time.perf_counter() - began:.1f} s")
        servers.append(Server("ai-memory", options.ai_memory, ["--db", database, *options.ai_memory_arguments.split()],
                              AI_MEMORY, {**os.environ, "HOME": str(dir)}))
    return servers


async def measure(options, facts, dir, node):
    servers = servers_of(options, facts, dir, node)
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            server.client = await stack.enter_async_context(Client(stdio_client(server.parameters)))
        for kind in KINDS:
            able = [server for server in servers if kind in server.tools]
            for server in able:
                await server.warm(kind, facts)
            before, most = node.inside(), options.writes if kind == "add" else options.calls
            for round in range(options.rounds):
                for server in able if round % 2 == 0 else reversed(able):
                    await server.round(kind, round, options.seconds, most, facts)
            after = node.inside()
            for server in able:
                tool = server.tools[kind][0]
                if server.node:
                    server.inside[kind] = f"p99 ≤ {between(before.get(tool, {}), after[tool], 0.99):g} ms"
        progress(f"measured {facts:,}; the daemon has {node.memory()}; load average {os.getloadavg()}")
        show(servers, facts)


def fill_ai_memory(binary, database, facts, dir):
    memories = []
    for element in elements(facts):
        memories.append({"id": str(uuid.uuid4()), "title": element["name"], "content": element["observations"][0],
                         "tier": "long", "namespace": "global", "tags": [], "priority": 5, "confidence": 1.0, "source": "import",
                         "access_count": 0, "created_at": IMPORTED_AT, "updated_at": IMPORTED_AT, "metadata": {}})
    file = dir / "ai.json"
    file.write_text(json.dumps({"memories": memories, "links": []}))
    with file.open() as given:
        done = subprocess.run([binary, "--db", database, "import"], stdin=given, capture_output=True, text=True,
                              env={**os.environ, "HOME": str(dir)})
    if done.returncode:
        raise SystemExit(f"ai-memory import: {done.stderr}")


def show(servers, facts):
    official = next(server for server in servers if server.name == OFFICIAL)
    for kind in KINDS:
        beside = official.rate("search" if kind == "question" else kind)
        for server in servers:
            if kind in server.tools:
                ratio = "" if server is official else f"{server.rate(kind) / beside:.1f} ×"
                what = f"{server.tools[kind][0]}" + (", a question" if kind == "question" else "")
                inside = server.inside.get(kind, "")
                print(f"| {facts:,} | {what} | {server.name} | {server.figures(kind)} | {ratio} | {inside} |", flush=True)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    git = lambda *arguments: subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True).stdout
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no", "--", "../../crates").strip() else ""
    return (f"{os.cpu_count()} cores ({cpu[1] if cpu else 'unknown'}), {platform.system()}, Python "
            f"{platform.python_version()}, client {importlib.metadata.version('mcp')}; {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} "
            f"UTC at {git('rev-parse', '--short', 'HEAD').strip()}{changed}; load average {os.getloadavg()}")


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--antiphon", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--memory-server", required=True)
    parser.add_argument("--ai-memory", help="that program")
    parser.add_argument("--ai-memory-arguments", default="mcp --tier keyword",
                        help="how it is told to speak MCP; without a tier it fetches a model of a language")
    parser.add_argument("--facts", default="1000,10000,50000,100000", help="how many entities, a run for each")
    parser.add_argument("--seconds", type=float, default=1.5, help="longest time of a server's turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2_000, help="most searches of a turn")
    parser.add_argument("--writes", type=int, default=200, help="most writes of a turn, so that no graph grows much")
    options = parser.parse_args()
    print(f"{machine()}\n")
    print("| entities | tool | server | through the client | beside the official one | inside the server |")
    print("|---|---|---|---|---|---|", flush=True)
    for facts in map(int, options.facts.split(",")):
        dir = pathlib.Path(tempfile.mkdtemp())
        node = Node(options.antiphon, str(dir / "home"))
        try:
            await measure(options, facts, dir, node)
        finally:
            node.stop()
            shutil.rmtree(dir)
    print(f"\nload average at the end {os.getloadavg()}")


asyncio.run(main())
