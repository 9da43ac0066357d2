import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { recipe } from '../../support/documents.ts';
import { A, Bench, built, deliverAll, leasedRound } from './bench.ts';
import { agree, operators, source, trust } from './pipelines.ts';

const other = { ...recipe, commit: 'd'.repeat(40) };

/** A project whose charter allows job files from outside. */
async function open(...names: string[]): Promise<Bench> {
  const bench = new Bench();
  await bench.start({ recipes: 'outside' });
  await bench.members('trusted', ...names);
  bench.present('trusted', ...names);
  return bench;
}

const summary = (bench: Bench, run: string) => summaryOf(bench.controller.state, bench.facts(run));

const codeOf = (promise: Promise<string>) =>
  promise.then(
    () => 'taken',
    (error: Error) => /"code":"(\w+)"/.exec(error.message)?.[1],
  );

describe('a job file from outside', () => {
  it('is refused where the charter does not allow it', async () => {
    const { bench } = await leasedRound();
    expect(await codeOf(bench.submit({ name: 'other', recipe }))).toBe('RECIPE_NOT_ALLOWED');
  });

  it('is told with the run, while it goes on and once it is over', async () => {
    const bench = await open(...operators);
    const run = await bench.submit({ recipe });
    expect(bench.progress(run, 'accepted')).toMatchObject([{ recipe }]);
    await agree(bench, run, exited(A));
    await trust(bench, run, exited(A));
    bench.store(run);
    expect(bench.controller.state.runs.has(run)).toBe(false);
    expect(summary(bench, run)).toMatchObject({ level: 'trusted', recipe });
  });

  it('ends with a charter that does not allow it any more', async () => {
    const bench = await open('ada', 'bob', 'cy');
    const run = await bench.submit({ recipe });
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2 }) });
    expect(bench.result(run)).toMatchObject({ state: 'cancelled' });
    expect(bench.progress(run, 'cancelled')).toMatchObject([
      { reason: expect.stringContaining('RECIPE_NOT_ALLOWED') },
    ]);
  });

  it.each([
    ['the source’s own', undefined, recipe],
    ['another one', recipe, other],
    ['one from outside, by the own one', recipe, undefined],
  ])('cannot read what %s made', async (_what, first, second) => {
    const bench = await open(...operators);
    const lib = await bench.submit({ name: 'lib', job: { source }, recipe: first });
    const needs = { lib: { request: lib, level: 'agreed' as const } };
    const app = (of: typeof first) =>
      codeOf(bench.submit({ name: 'app', job: { source }, needs, recipe: of }));
    expect(await app(second)).toBe('REQUEST_NEEDS_MISMATCH');
    expect(await app(first)).toBe('taken');
  });
});

it('a run with the own job file names none', async () => {
  const { bench, run, leases } = await leasedRound();
  await deliverAll(bench, leases, [built, built, built]);
  expect(summary(bench, run)).not.toHaveProperty('recipe');
});
