import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { follow } from '../../../src/client/commands/run.ts';
import { commandLimits } from '../../../src/client/commands/run-evidence.ts';
import type { Client, LogChunk } from '../../../src/member/client.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import type { Progress } from '../../../src/protocol/wire/progress.ts';
import type { Context } from '../../../src/terminal/context.ts';
import { exits } from '../../../src/terminal/exit-codes.ts';
import { Output } from '../../../src/terminal/output.ts';
import { sink } from '../../cli/screen.ts';
import { folder } from '../../cli/support.ts';
import { cidOf, makeProject, project } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

const lib = await makeProject({ job: { name: 'lib' } });
const { artifact } = lib;
const other = cidOf('other');
const verdict = (level: 'agreed' | 'trusted', of = artifact): Progress => ({
  kind: 'verdict',
  level,
  artifact: of,
});

/** A controller that tells this of one job, and of another one nothing or `ofOther`. A text is awaited in what the command has written. */
async function play(
  told: (Progress | string)[],
  {
    json = false,
    rebuild = false,
    until = 'trusted' as 'agreed' | 'trusted',
    ofOther = [] as Progress[],
  } = {},
) {
  withLimits(commandLimits, { storedMsMax: 0, closingMsMax: 100 });
  const [written, noted] = [sink(), sink()];
  const signal = AbortSignal.timeout(60_000);
  const context: Partial<Context> = {
    out: new Output(written, noted, { json, colour: false }),
    home: folder(),
    signal,
  };
  const client: Partial<Client> = {
    show: () => Promise.reject(new QuorateError('JOB_UNKNOWN', 'no')),
    bundle: async () => ({ bundle: lib.bundle, text: '' }),
    // Of a controller that stalls.
    async *logs(_, { signal: limit }) {
      yield await sleep(20_000, {} as LogChunk, { signal: limit });
    },
    async *follow(run) {
      for (const progress of run === lib.request.id ? told : ofOther)
        if (typeof progress === 'string') await vi.waitUntil(() => written.text().includes(progress));
        else yield { at: 0, progress };
    },
  };
  Object.defineProperty(client, 'project', { value: project });
  const job = (name: string, run: string) => ({ name, run, needs: [], asked: lib.request.payload });
  const jobs = [job('lib', lib.request.id), job('app', 'a'.repeat(64))];
  const options = { until, rebuild, subject: true };
  const exit = await follow(
    context as Context,
    client as Client,
    rebuild ? jobs.slice(0, 1) : jobs,
    options,
    {
      signal,
      tell: () => {},
    },
  );
  return { exit, lines: written.text().split('\n'), notes: noted.text() };
}

it('a row says of another artifact than that of the evidence that it is not verified', async () => {
  const { lines, exit } = await play([verdict('agreed'), '(verified)', verdict('agreed', other)]);
  const told = lines.flatMap((line) => [/agreed \((\w+)\).* (baf\w+)/.exec(line)?.slice(1) ?? []]);
  expect(told.filter(({ length }) => length > 0)).toEqual([
    ['unverified', artifact],
    ['verified', artifact],
    ['unverified', other],
  ]);
  expect(exit).toBe(exits.no);
});

it('a verdict that a later event made void counts no more', async () => {
  const rebuild = true;
  expect((await play([verdict('trusted'), '(verified)'], { rebuild })).exit).toBe(exits.done);
  const reopened: Progress = { kind: 'reopened', reason: 'x' };
  expect((await play([verdict('trusted'), '(verified)', reopened], { rebuild })).exit).toBe(exits.no);
});

it('one that is told again is told as verified again', async () => {
  const events = [verdict('agreed'), '"verified":true', verdict('agreed', other), verdict('agreed')];
  const { lines } = await play(events, { json: true });
  const told = lines.flatMap((line) => (line.includes('"verdict"') ? [JSON.parse(line)] : []));
  expect(told.map(({ artifact: of, verified }) => [of === artifact, verified])).toEqual([
    [true, false],
    [true, true],
    [false, false],
    [true, false],
    [true, true],
  ]);
});

it('logs that a controller does not send are waited for once, and not for each run', async () => {
  const results = ['ada', 'bob', 'cy'].map((operator) => ({ worker: 'w', operator, result: 'exit 1' }));
  const failed = [
    { kind: 'revealed', round: 1, results },
    { kind: 'verdict', level: 'failed', artifact: null },
  ] as Progress[];
  const began = performance.now();
  const { notes, exit } = await play(failed, { ofOther: failed });
  expect(notes.match(/The logs could not be read/g)).toHaveLength(2);
  expect(exit).toBe(exits.no);
  expect(performance.now() - began).toBeLessThan(15_000);
});
