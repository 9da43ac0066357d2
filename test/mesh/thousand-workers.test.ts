import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noise } from '@chainsafe/libp2p-noise';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ControllerNode } from '../../src/controller/node/node.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { meshDial } from '../../src/node/ports.ts';
import { initProject } from '../../src/owner/project-folder.ts';
import { ask } from '../../src/protocol/sessions/ask.ts';
import { loopbackController } from '../support/controller.ts';
import { node, sleep } from './harness.ts';

const workers = 1_000;
/** A part of what one address may open in a second: all of these have the same one. */
const atOnce = meshLimits.inboundPerSecond / 4;
const triesMax = 5;

let dir: string;
let controller: ControllerNode;
const hosts: Libp2p[] = [];

/** A peer with a key of its own that connects and says nothing more. */
async function idleWorker(): Promise<void> {
  const host = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  hosts.push(host);
  await connect(host);
}

async function connect(host: Libp2p): Promise<void> {
  const addresses = controller.addresses().map((address) => multiaddr(address));
  // On a busy computer a handshake of both ends in one process may take too long; a worker tries again, too.
  for (let tries = 1; ; tries++) {
    try {
      await host.dial(addresses, { signal: AbortSignal.timeout(60_000) });
      return;
    } catch (error) {
      if (tries === triesMax) throw error;
    }
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-thousand-'));
  controller = await loopbackController(await initProject(dir, { name: 'project', vcs: [], bootstrap: [] }));
}, 60_000);
afterAll(async () => {
  await Promise.all(hosts.map((host) => host.stop()));
  await controller.close();
  await rm(dir, { recursive: true, force: true });
}, 120_000);

describe('a controller with a thousand workers that do nothing', () => {
  it('holds all of them, answers one more, and is idle', async () => {
    for (let begun = 0; begun < workers; begun += atOnce) {
      const pause = sleep(300);
      await Promise.all(Array.from({ length: atOnce }, idleWorker));
      await pause;
    }
    const open = () => hosts.filter((host) => host.getConnections().length > 0).length;
    // A worker whose connection was lost meanwhile connects again.
    for (const host of hosts) if (host.getConnections().length === 0) await connect(host);
    expect(open()).toBeGreaterThan(0.99 * workers);
    const mesh = await node();
    const dial = meshDial(mesh, AbortSignal.timeout(60_000));
    const address = { id: controller.id, addrs: controller.addresses() };
    expect((await ask(dial, [address], { kind: 'charter' })).answer.kind).toBe('charter');
    // Both ends are in this process; what it takes of one processor is for all of them together.
    const before = process.cpuUsage();
    const idleMs = 10_000;
    await sleep(idleMs);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000 / idleMs).toBeLessThan(0.5);
    expect(open()).toBeGreaterThan(0.99 * workers);
  }, 600_000);
});
