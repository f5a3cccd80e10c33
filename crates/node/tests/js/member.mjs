// A member of a team that is not Antiphon: js-libp2p with the key of a member. It does what docs/protocol.md says of the
// handshake, takes part in the hash table, and tells the test what it saw, one JSON object per line.
//
// Argument: a JSON file {seed, protocol, template, listen, peers: [{id, address}], record, provider, find}. Byte strings
// are hexadecimal. `template` is a handshake request of that member without nonce and time; a stranger has none.
import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { decode, encode } from 'cborg'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'

const HANDSHAKE = '/antiphon/handshake/1'
const RAW_CODEC = 0x55
const PATIENCE_MS = 15_000

const told = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const bytes = hex => Uint8Array.from(Buffer.from(hex, 'hex'))
const hex = array => Buffer.from(array).toString('hex')
const say = (what, more = {}) => console.log(JSON.stringify({ what, ...more }))
const patience = () => AbortSignal.timeout(PATIENCE_MS)
const template = told.template === undefined ? undefined : decode(bytes(told.template), { useMaps: true })

// A frame is its length in four bytes, the most significant first, then the message.
function framed (message) {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return Uint8Array.from(Buffer.concat([length, message]))
}

async function readFrame (stream) {
  let all = Buffer.alloc(0)
  for await (const part of stream) {
    all = Buffer.concat([all, part.subarray()])
    if (all.length >= 4 && all.length >= 4 + all.readUInt32BE(0)) {
      return all.subarray(4, 4 + all.readUInt32BE(0))
    }
  }
  throw new Error(`the stream ended after ${all.length} bytes`)
}

// Who asks: a fresh nonce each time, which the answer must echo.
async function greet (node, peer) {
  const nonce = Uint8Array.from(randomBytes(32))
  const request = new Map(template)
  request.set(5, Date.now())
  request.set(6, nonce)
  const stream = await node.dialProtocol(peer, HANDSHAKE, { signal: patience() })
  stream.send(framed(encode(request)))
  const answer = decode(await readFrame(stream), { useMaps: true })
  await stream.close()
  return { trust: answer.get(5), matches: answer.get(4), reason: answer.get(6), fresh: hex(answer.get(8)) === hex(nonce) }
}

// Who is asked: the same proof, and the nonce of the request.
async function answer (stream) {
  const request = decode(await readFrame(stream), { useMaps: true })
  const message = new Map([
    [0, 1], [1, template.get(1)], [2, template.get(2)], [3, template.get(4)], [4, true], [5, 'VERIFIED'],
    [7, Date.now()], [8, request.get(6)], [9, template.get(7)], [10, template.get(8)]
  ])
  stream.send(framed(encode(message)))
  await stream.close()
}

async function attempt (what, work) {
  try {
    say(what, await work())
  } catch (error) {
    say(what, { error: `${error.name}: ${error.message}` })
  }
}

async function first (events, pick) {
  for await (const event of events) {
    const found = pick(event)
    if (found !== undefined) {
      return found
    }
  }
  throw new Error('not found')
}

const node = await createLibp2p({
  privateKey: await generateKeyPairFromSeed('Ed25519', bytes(told.seed)),
  addresses: { listen: [told.listen] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    dht: kadDHT({
      protocol: told.protocol,
      clientMode: false,
      peerInfoMapper: passthroughMapper,
      validators: { antiphon: async () => {} },
      selectors: { antiphon: () => 0 }
    })
  }
})
if (template !== undefined) {
  await node.handle(HANDSHAKE, stream => { answer(stream).catch(error => say('answering failed', { error: error.message })) })
}
say('started', { id: node.peerId.toString() })

for (const { id, address } of told.peers) {
  await attempt('connected', async () => {
    await node.dial(multiaddr(`${address}/p2p/${id}`), { signal: patience() })
    return { peer: id }
  })
  if (template !== undefined) {
    await attempt('greeted', async () => ({ peer: id, ...await greet(node, peerIdFromString(id)) }))
  }
  await attempt('protocols', async () => {
    const [connection] = node.getConnections(peerIdFromString(id))
    return { peer: id, protocols: (await node.services.identify.identify(connection, { signal: patience() })).protocols }
  })
  await attempt('kad', async () => {
    const stream = await node.dialProtocol(peerIdFromString(id), told.protocol, { signal: patience() })
    stream.abort(new Error('only looking'))
    return { peer: id }
  })
}

// Identify tells the hash table of its peers when a push comes; there is nothing to wait for where none may come.
const until = Date.now() + (template === undefined ? 1_000 : PATIENCE_MS)
while (node.services.dht.routingTable.size < told.peers.length && Date.now() < until) {
  await new Promise(resolve => setTimeout(resolve, 20))
}
say('table', { size: node.services.dht.routingTable.size })

await attempt('peer', async () => {
  const events = node.services.dht.findPeer(peerIdFromString(told.find), { signal: patience() })
  const peer = await first(events, event => event.name === 'FINAL_PEER' ? event.peer : undefined)
  return { peer: peer.id.toString(), addresses: peer.multiaddrs.map(String) }
})
await attempt('record', async () => {
  const events = node.services.dht.get(new TextEncoder().encode(told.record), { signal: patience() })
  return { value: hex(await first(events, event => event.name === 'VALUE' ? event.value : undefined)) }
})
await attempt('providers', async () => {
  const key = CID.createV1(RAW_CODEC, decodeMultihash(bytes(told.provider)))
  const events = node.services.dht.findProviders(key, { signal: patience() })
  const providers = await first(events, event => event.name === 'PROVIDER' && event.providers.length > 0 ? event.providers : undefined)
  return { providers: providers.map(provider => provider.id.toString()) }
})
say('done')
await node.stop()
process.exit(0)
