import { expect, it } from 'vitest';
import { FollowedRun } from '../../../src/client/commands/next-steps.ts';
import { sayAlarm } from '../../../src/client/commands/run.ts';
import { controllerLimits } from '../../../src/controller/machine/limits.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import type { Context } from '../../../src/terminal/context.ts';
import { exits } from '../../../src/terminal/exit-codes.ts';
import { Output } from '../../../src/terminal/output.ts';
import { sink } from '../../cli/screen.ts';
import { Bench, built, deliverAll } from '../../controller/machine/bench.ts';

/** A run that is agreed on, in a project with two trusted workers, of which `other` has built the same. */
async function builtByOther(): Promise<{ bench: Bench; run: string }> {
  const bench = new Bench();
  await bench.start();
  const trusted = [bench.id('trusted'), bench.id('other')];
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
  await bench.members('ada', 'bob', 'cy', 'trusted');
  await bench.enrol('other', { role: 'trusted-worker', operator: 'other' });
  bench.present('trusted', 'other');
  const run = await bench.submit({ seconds: 24 * 3600 });
  await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), []);
  bench.pinned(run);
  await bench.deliver('other', (await bench.lease('other')).get('other'), built);
  return { bench, run };
}

const refuse = (bench: Bench, run: string, name: string, code = 'COSIGN_RESULT_MISMATCH') =>
  bench.send({ kind: 'cosign-refused', run, worker: bench.id(name), code, message: 'other bytes' });

async function signed(bench: Bench, run: string): Promise<void> {
  await bench.deliver('trusted', (await bench.lease('trusted')).get('trusted'), built);
  bench.cosign(run);
}

/** Words of `quorate run` at the end of the run that it followed, and its exit code unless the answer is no. */
async function told(bench: Bench, run: string) {
  const followed = new FollowedRun(run);
  for (const { progress } of bench.facts(run).history) followed.take(progress);
  const stderr = sink();
  const out = new Output(sink(), stderr, { json: false, colour: false });
  const { signal } = new AbortController();
  const exit = await sayAlarm({ out, signal } as Context, {} as never, followed, signal);
  const { state, alarm } = accountOf(summaryOf(bench.controller.state, bench.facts(run)));
  return { exit, says: stderr.text(), state, alarm };
}

it('a trusted worker that refused to sign is an alarm of a run that another one signed, and exit status 4', async () => {
  const { bench, run } = await builtByOther();
  refuse(bench, run, 'other');
  bench.drive(1);
  await signed(bench, run);
  const { says, ...end } = await told(bench, run);
  expect(end).toEqual({ exit: exits.lookAt, state: 'trusted', alarm: true });
  expect(says).toMatch(
    /^ALARM: .*; trusted worker \S+ refused to sign: COSIGN_RESULT_MISMATCH: other bytes\.$/m,
  );
});

it('also where a publisher has looked at it before the run ended', async () => {
  const { bench, run } = await builtByOther();
  refuse(bench, run, 'other');
  bench.drive(1);
  await signed(bench, run);
  const followed = new FollowedRun(run);
  for (const { progress } of bench.facts(run).history) followed.take(progress);
  followed.take({ kind: 'acknowledged', by: 'owner' });
  const out = new Output(sink(), sink(), { json: false, colour: false });
  const { signal } = new AbortController();
  expect(await sayAlarm({ out, signal } as Context, {} as never, followed, signal)).toBe(exits.lookAt);
});

it('where nobody else signs, the alarm says who refused', async () => {
  const { bench, run } = await builtByOther();
  bench.send({ kind: 'absent', worker: bench.id('trusted') });
  refuse(bench, run, 'other');
  bench.drive(controllerLimits.cosignAbsentMsMax);
  const { says, state, alarm } = await told(bench, run);
  expect({ state, alarm }).toEqual({ state: 'disputed', alarm: true });
  expect(says).toMatch(/^ALARM: .*; trusted worker \S+ refused to sign: /m);
});

it('one that could not check yet, and signs later, is none', async () => {
  const { bench, run } = await builtByOther();
  refuse(bench, run, 'other', 'MESH_RESET');
  bench.cosign(run, 'other');
  expect(await told(bench, run)).toEqual({ exit: undefined, says: '', state: 'trusted', alarm: false });
});
