// Plays a session against a node through the official TypeScript clients, and prints what came back as JSON lines.
//
// usage: node core_session.mjs MODULES SESSION.json MODE stdio ANTIPHON HOME
//        node core_session.mjs MODULES SESSION.json MODE http URL TOKEN_FILE
//
// MODULES is a directory with node_modules. MODE is "auto" for the newest revision that both know, "legacy" for the one
// before, and "sdk" for the client of that time. The first line says which revision it was and names the tools. A text
// "$name" in arguments stands for what an earlier step saved.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, session, mode, transport, where, secret] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

async function clientOf() {
    const own = { name: 'core-session', version: '1' };
    if (mode === 'sdk') {
        const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
        const { StdioClientTransport } = await load('@modelcontextprotocol/sdk/client/stdio.js');
        const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/sdk/client/streamableHttp.js');
        return { client: new Client(own), StdioClientTransport, StreamableHTTPClientTransport };
    }
    const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
    const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');
    const options = mode === 'auto' ? { versionNegotiation: { mode: 'auto' } } : {};
    return { client: new Client(own, options), StdioClientTransport, StreamableHTTPClientTransport };
}

function filled(value, saved) {
    if (typeof value === 'string' && value.startsWith('$')) return saved[value.slice(1)];
    if (Array.isArray(value)) return value.map((item) => filled(item, saved));
    if (value !== null && typeof value === 'object') {
        return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, saved)]));
    }
    return value;
}

async function step(client, name, args) {
    try {
        const result = await client.callTool({ name, arguments: args });
        const text = result.content.filter((block) => block.type === 'text').map((block) => block.text).join('');
        return { error: result.isError === true, text, structured: result.structuredContent ?? null };
    } catch (error) {
        return { protocol_error: String(error) };
    }
}

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const { client, StdioClientTransport, StreamableHTTPClientTransport } = await clientOf();
const channel =
    transport === 'stdio'
        ? new StdioClientTransport({ command: where, args: ['--home', secret, 'mcp'] })
        : new StreamableHTTPClientTransport(new URL(where), {
              requestInit: { headers: { Authorization: `Bearer ${readFileSync(secret, 'utf8').trim()}` } },
          });
await client.connect(channel);
const { tools } = await client.listTools();
const revision = client.getNegotiatedProtocolVersion?.() ?? channel.protocolVersion ?? null;
print({ revision, tools: tools.map((tool) => tool.name) });
const saved = {};
for (const one of JSON.parse(readFileSync(session, 'utf8')).steps) {
    const answer = await step(client, one.tool, filled(one.arguments, saved));
    for (const [name, place] of Object.entries(one.save ?? {})) saved[name] = answer.structured[place.slice(1)];
    print({ ...answer, saved });
}
await client.close();
