import { exited, treeCid } from '../../../simulations/paperwork.ts';
import type { Outcome } from '../../../src/protocol/documents/index.ts';
import { A, type Bench, projectOf } from './bench.ts';
import { cosign } from './evidence.ts';
import { agree, operators, source, trustedBuilds } from './pipelines.ts';

export type Of = Parameters<Bench['submit']>[0];

const image = treeCid('an image');
let requests = 0;

/** Asks for the job of this name, each time in a request of its own. */
export const ask = (bench: Bench, over: Of = {}): Promise<string> =>
  bench.submit({
    name: 'app',
    ...over,
    job: { source, image, ...over?.job },
    jti: `request-number-${++requests}-of-many`,
  });

export interface Built {
  outcome?: Outcome;
  keys?: string[];
  trusted?: Outcome;
}

/** The operators of a round build, and the trusted worker where a co-signature is required. */
export async function build(
  bench: Bench,
  run: string,
  { outcome = exited(A), keys = ['ada', 'bob', 'cy'], trusted = outcome }: Built = {},
) {
  await agree(bench, run, outcome, keys);
  if (bench.facts(run).request.payload.policy.cosign === 'none') return;
  await trustedBuilds(bench, run, trusted);
  if (bench.facts(run).phase.kind === 'cosigning') await cosign(bench, run, 'trusted');
}

/** A job was built, and is asked for again. */
export async function again(first: Of = {}, then: Of = {}, built: Built = {}) {
  const bench = await projectOf(...operators);
  const before = await ask(bench, first);
  await build(bench, before, built);
  const run = await ask(bench, { ...first, ...then });
  return { bench, before, run };
}
