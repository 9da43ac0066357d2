import { afterAll, beforeAll, expect, it } from 'vitest';
import type { VmGuards } from '../../../sandbox/vm/tier.ts';
import { MiB, type Play, play, processesOfJobs, type Ran, tempFolder } from '../../sandbox/support.ts';
import { guestOf, noImage } from '../../sandbox/vm/support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  folder = await tempFolder();
});
afterAll(() => folder.remove());

/** The ports a guest speaks on, when it knows how. */
const wait =
  'until [ -e /dev/vport0p5 ]; do $b sleep 0.05; done; exec 3<>/dev/vport0p3 4<>/dev/vport0p4 6<>/dev/vport0p2';
const takesItsJob = `${wait}; echo booted >&3; $b cat /dev/vport0p5 >/dev/null & $b cat /dev/vport0p1 >/dev/null &`;

async function against(script: string, weakened: Partial<VmGuards> = {}, options: Play = {}): Promise<Ran> {
  const sandbox = guestOf(folder.path, script, weakened);
  const ran = await play(sandbox, ['echo never'], {
    image: noImage(folder.path),
    outputs: ['.'],
    ...options,
  });
  expect(await processesOfJobs()).toEqual([]);
  return ran;
}

it('a guest that never comes up is tried twice and given up', async () => {
  const ran = await against('$b sleep 1000', { bootMs: () => 6_000 });
  expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'setup' });
  expect(JSON.stringify(ran.outcome)).toContain('did not start within 6 s, 2 times');
  expect(ran.seconds).toBeGreaterThan(12);
});

it('a guest that panics ends at once, and the reason is told', async () => {
  const ran = await against('exit 1');
  expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'setup' });
  expect(JSON.stringify(ran.outcome)).toContain('Kernel panic');
});

it('a guest that says it is ready and then hangs has the time of its job', async () => {
  const deadlineMs = () => 3_000;
  const ran = await against(`${takesItsJob} echo ready >&3; $b sleep 1000`, { deadlineMs });
  expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'time' });
});

it('a guest that panics in the middle of a build is no vote', async () => {
  const ran = await against(`${takesItsJob} echo ready >&3; echo log >&6; $b sleep 1; exit 1`);
  expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'killed' }, delivered: false });
});

it('a guest that says it is done without sending what it made delivers nothing', async () => {
  const lies = `${takesItsJob} echo ready >&3; echo 'exit 0' >&3; echo complete >&3; $b sleep 1; $b poweroff -f`;
  const ran = await against(lies);
  expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'killed' });
  expect(ran.outputs).toEqual([]);
});

it('outputs without end, and lengths that are wrong, stop at the limit', async () => {
  const pours = `${takesItsJob} echo ready >&3; echo 'exit 0' >&3; $b cat /dev/zero >&4`;
  const takes = async (tar: NodeJS.ReadableStream) => {
    for await (const _ of tar);
  };
  const outputBytesMax = () => 4 * MiB;
  const ran = await against(pours, { outputBytesMax }, { onOutputs: takes });
  expect(ran.outcome).toMatchObject({ kind: 'aborted', reason: 'disk' });
});

it('status lines that nobody asked for are no status', async () => {
  const deadlineMs = () => 3_000;
  const floods = `${takesItsJob} echo ready >&3; while :; do echo 'exit -1'; echo 'exit 99999'; echo complet; $b echo xxxxxxxxxxxx | $b tr -d '\\n'; done >&3`;
  const ran = await against(floods, { deadlineMs });
  expect(ran).toMatchObject({ outcome: { kind: 'aborted', reason: 'time' }, delivered: false });
});

it('a guest that uses all of its memory and processors stays within what its machine may have', async () => {
  const deadlineMs = () => 6_000;
  const eats = `${takesItsJob} echo ready >&3; $b mount -t tmpfs t /dev; $b cat /dev/zero > /x & while :; do :; done`;
  const ran = await against(eats, { deadlineMs }, { limits: { memoryBytes: 64 * MiB } });
  expect(ran.outcome).toMatchObject({ kind: 'aborted' });
});
