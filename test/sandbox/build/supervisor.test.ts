import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { BuildGuards } from '../../../sandbox/build/guards.ts';
import type { BuildProcess } from '../../../sandbox/build/process.ts';
import { BuildSupervisor } from '../../../sandbox/build/supervisor.ts';
import type { Group } from '../../../sandbox/cgroups/group.ts';
import { smallLimits, tarOf } from '../support.ts';

it('output written before a build was ended is delivered, and its end is waited for', async () => {
  const [input, log, diagnostics, status, outputs] = Array.from({ length: 5 }, () => new PassThrough());
  const ended = Promise.withResolvers<void>();
  const streams = { input, log, diagnostics, status, outputs } as Record<string, PassThrough>;
  let kills = 0;
  const end = async () => {
    if (kills++ > 0) return;
    // The pipes of a killed build are read to their ends later than the kill.
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    log?.write('last words');
    for (const stream of Object.values(streams)) stream.end();
    ended.resolve();
  };
  const child = { ended: ended.promise, kill: () => void end() };
  const process = { ...streams, child, readsJob: false } as unknown as BuildProcess;
  const group = { oomKills: () => 0, usage: () => ({ processorSeconds: 0 }), kill: () => {} };
  const job = { source: tarOf([]), inputs: [], limits: smallLimits, run: [], env: {}, outputs: [] };
  const cancel = new AbortController();
  let said = '';
  const io = {
    onLog: (chunk: Uint8Array) => {
      said += Buffer.from(chunk).toString();
    },
    onOutputs: async () => {},
    signal: cancel.signal,
  };
  const guards = { deadlineMs: () => 60_000 } as unknown as BuildGuards;
  const build = new BuildSupervisor(
    { ...job, image: 'host' },
    io,
    group as unknown as Group,
    guards,
    process,
  );
  const outcome = build.outcome();
  cancel.abort();
  expect(await outcome).toEqual({ kind: 'aborted', reason: 'killed', detail: 'the job was cancelled' });
  expect(said).toBe('last words');
});
