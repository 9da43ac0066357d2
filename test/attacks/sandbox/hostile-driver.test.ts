import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { guards } from '../../../sandbox/namespace/guards.ts';
import { startInCgroups } from '../../../sandbox/run/process.ts';
import { type TierBackend, TierSandbox } from '../../../sandbox/run/tier.ts';
import { exited, MiB, type Play, play, type Ran, tempFolder } from '../../sandbox/support.ts';
import { codeOf, store, tarBytes } from '../../store/support.ts';

/**
 * The output of a kernel of the build's own, gVisor or a virtual machine, is that kernel's word only: the same streams,
 * with whatever it likes on them. Here a script says it, in a build's groups but in no sandbox: each is harmless.
 */
function says(script: string): TierBackend {
  return {
    tier: 'gvisor',
    hostImage: true,
    guards,
    launch: async (job, { directories, slot, bounds }) => {
      const limits = guards.processLimits(bounds);
      return startInCgroups({ job, directories, slot, command: ['/bin/sh', '-c', script], limits });
    },
  };
}

const READY = 'cat > /dev/null; echo ready >&3;';
const TAR = 'printf "$TAR" | base64 -d >&4 2>/dev/null;';

describe('a sandbox program that lies about the build it runs', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());

  const ends = (script: string, options: Play = {}): Promise<Ran> => {
    const { parents } = findCgroupParents(readHierarchies());
    const sandbox = new TierSandbox(says(script), { parents, recordsDir: folder.path });
    return play(sandbox, ['never run'], { outputs: ['.'], ...options });
  };
  const drained: Play = {
    onOutputs: async (tar: Readable) => {
      for await (const _ of tar as AsyncIterable<Uint8Array>);
    },
  };
  /** As a worker takes them. */
  const stored = async (script: string): Promise<string> => {
    const s = await store();
    return codeOf(
      ends(script, { onOutputs: async (tar) => void (await s.importTar(tar, { into: s.public })) }),
    );
  };
  const sent = async (bytes: Uint8Array): Promise<string> =>
    TAR.replace('$TAR', Buffer.from(bytes).toString('base64'));

  it('says nothing at all', async () => {
    expect((await ends('true')).outcome).toMatchObject({ kind: 'aborted', reason: 'setup' });
  });

  it('says that it began and no more', async () => {
    const { outcome } = await ends(`${READY} sleep 60`, { limits: { seconds: 0.5 } });
    expect(outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
  });

  it('says again and again that it begins: its time began once', async () => {
    const script = `${READY} while sleep 0.1; do echo ready >&3; done`;
    const ran = await ends(script, { limits: { seconds: 0.5 } });
    expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
  });

  it('says two codes: the first one stands', async () => {
    const ran = await ends(`${READY} printf 'exit 3\\nexit 0\\ncomplete\\n' >&3`);
    expect(ran).toMatchObject({ outcome: exited(3), delivered: false });
  });

  it('says twice that all went well: its outputs are taken once', async () => {
    let taken = 0;
    const ran = await ends(
      `${READY} printf 'exit 0\\nexit 0\\n' >&3; head -c 1024 /dev/zero >&4; exec 4>&-; echo complete >&3`,
      {
        onOutputs: async (tar) => {
          taken++;
          await drained.onOutputs?.(tar);
        },
      },
    );
    expect(ran.outcome).toEqual(exited(0));
    expect(taken).toBe(1);
  });

  it.each(['exit 256', 'exit 512', 'exit -1', 'exit 0x0', 'exit', 'exit  0', 'EXIT 0', 'exit 0 '])(
    'says a code that is none: %s',
    async (word) => {
      const ran = await ends(`${READY} printf '${word}\\ncomplete\\n' >&3`);
      expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'killed' }, delivered: false });
    },
  );

  it('says a code before it began, or that outputs are whole of which there are none', async () => {
    const early = await ends(`cat > /dev/null; printf 'exit 0\\nready\\ncomplete\\n' >&3`);
    expect(early).toMatchObject({ outcome: { kind: 'aborted' }, delivered: false });
    const none = await ends(`${READY} printf 'complete\\nexit 0\\n' >&3`, drained);
    expect(none.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
  });

  it('sends outputs and does not say that they are whole', async () => {
    const { outcome } = await ends(`${READY} echo exit 0 >&3; head -c 1024 /dev/zero >&4`, drained);
    expect(outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
  });

  it('sends less than the lengths in its archive say, more, or something else', async () => {
    const whole = await tarBytes([{ name: 'a', body: 'x'.repeat(5000) }]);
    const whatever = async (bytes: Uint8Array) =>
      stored(`${READY} echo exit 0 >&3; ${await sent(bytes)} exec 4>&-; echo complete >&3`);
    expect(await whatever(whole)).toBe('none');
    expect(await whatever(whole.subarray(0, 3000))).toBe('STORE_TAR_DAMAGED');
    const larger = Buffer.from(whole);
    larger.write('77777777777\0', 124);
    expect(await whatever(larger)).toMatch(/^STORE_/);
    const negative = Buffer.from(whole);
    negative.fill(0xff, 124, 136);
    expect(await whatever(negative)).toBe('STORE_TAR_DAMAGED');
    expect(await whatever(Buffer.alloc(20_000, 'no archive '))).toBe('STORE_TAR_DAMAGED');
  });

  it('sends outputs without end', async () => {
    const limits = { diskBytes: MiB };
    const { outcome } = await ends(`${READY} echo exit 0 >&3; exec cat /dev/zero >&4`, {
      limits,
      ...drained,
    });
    expect(outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
  });

  it('sends words without end, or one without an end', async () => {
    const floods = ['yes ready >&3', `tr '\\0' a < /dev/zero >&3`, 'yes oh no >&2', 'yes log'];
    const before = process.memoryUsage().rss;
    const options = { limits: { seconds: 0.4 }, onLogBytes: () => {} };
    const all = await Promise.all(floods.map((flood) => ends(`${READY} exec ${flood}`, options)));
    for (const { outcome } of all) expect(outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MiB);
  });

  it('hands the worker open files: it would run out of descriptors', async () => {
    const attacker = join(folder.path, 'attacker');
    const source = join(import.meta.dirname, 'suite', 'attacker.c');
    await promisify(execFile)('gcc', ['-static', '-O1', '-pthread', '-o', attacker, source]);
    const open = async () => (await readdir('/proc/self/fd')).length;
    const before = await open();
    let most = 0;
    const ran = await ends(`${READY} ${attacker} smuggle 20000; sleep 0.3; echo; echo exit 1 >&3`, {
      onLog: async () => {
        most = Math.max(most, await open());
      },
    });
    expect(ran.outcome).toEqual(exited(1));
    expect(ran.log).toContain('smuggled done');
    expect(most).toBeLessThan(before + 100);
    expect(await open()).toBeLessThan(before + 20);
  });

  it('hangs, and takes no signal', async () => {
    const stop = new AbortController();
    const running = ends(`trap '' TERM HUP INT; ${READY} echo go; while :; do sleep 60; done`, {
      signal: stop.signal,
      onLog: () => stop.abort(),
    });
    expect((await running).outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
  });
});
