import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { fetchBundle, openBundles, serveBundles } from '../../../src/node/artifacts/bundles.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { deadlineMs, until } from '../../e2e/support/wait.ts';

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-readers-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function node(listen: string[] = []): Promise<Mesh> {
  const mesh = await openMesh({ key: randomBytes(32), listen, bootstrap: [], topics: [], role: 'node' });
  onTestFinished(() => mesh.close());
  return mesh;
}

const mib = 2 ** 20;
const run = (n: number) => String(n).repeat(64);
const job = (n: number) => `baguqeerajob${n}`;

describe('somebody who asks for large bundles and takes none', () => {
  /** How many of these are on their way at once, when nobody reads. */
  async function attack(bytesMax: number): Promise<{ refused: number; small: boolean; later: boolean }> {
    const bundles = openBundles(join(await folder(), 'bundles'));
    for (const n of [1, 2, 3, 4])
      await bundles.put(
        { run: run(n), job: job(n), artifact: null },
        JSON.stringify({ x: 'x'.repeat(4 * mib - 8) }),
      );
    await bundles.put({ run: run(5), job: job(5), artifact: null }, '{}');
    const server = await node(['/ip4/127.0.0.1/tcp/0']);
    serveBundles(server, bundles, bytesMax);
    const address = { id: server.id, addrs: server.addresses() };
    const eve = await node();
    const options = () => ({
      signal: AbortSignal.timeout(deadlineMs),
      maxMessageBytes: limits.bundleBytesMax,
    });
    const held = [];
    for (const n of [1, 2, 3, 4]) {
      const channel = await eve.open(address, protocols.bundle, options());
      await channel.send(encodeMessage({ which: run(n) }));
      held.push(channel);
    }
    const honest = await node();
    const small = await fetchBundle(honest, address, run(5), AbortSignal.timeout(deadlineMs));
    let refused = 0;
    // The last first: what is read makes room for others.
    for (const channel of held.reverse()) {
      const answer = await channel.receive({ timeoutMs: deadlineMs });
      if (JSON.parse(Buffer.from(answer ?? []).toString()).code === 'BUNDLE_BUSY') refused++;
      channel.abort(new Error('enough'));
    }
    let later: string | undefined;
    await until('the large one', async () => {
      later = await fetchBundle(honest, address, run(4), AbortSignal.timeout(deadlineMs));
      return later !== undefined;
    });
    return { refused, small: small === '{}', later: later?.length === 4 * mib };
  }

  it('holds a bounded part of the memory, and small ones go to others all the while', async () => {
    expect(await attack(9 * mib)).toEqual({ refused: 3, small: true, later: true });
  });

  it('control: without the bound all are in memory at once', async () => {
    expect(await attack(sessionLimits.bundlesSentBytesMax)).toEqual({
      refused: 0,
      small: true,
      later: true,
    });
  });
});

describe('somebody who asks for long logs and takes none', () => {
  it('has a piece of each in memory: the next is read when it is taken', async () => {
    const dir = await folder();
    const text = `${'line ✓\n'.repeat(500_000)}`;
    await writeFile(join(dir, 'a.log'), text);
    let whole = '';
    let longest = 0;
    for await (const piece of openLogFiles(dir).read('a')) {
      longest = Math.max(longest, piece.length);
      whole += piece;
    }
    expect(whole).toBe(text);
    expect(longest).toBeLessThanOrEqual(64 * 1024);
    for await (const piece of openLogFiles(dir).read('none')) expect(piece).toBe('never');
  });
});
