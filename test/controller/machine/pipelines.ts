import { jobNamed } from '../../../simulations/paperwork.ts';
import type { Outcome, Policy } from '../../../src/protocol/documents/index.ts';
import { type Bench, projectOf, timings } from './bench.ts';

export const { source } = jobNamed('project').job;
export const nobody: Partial<Policy> = { cosign: 'none' };
export const operators = ['ada', 'bob', 'cy', 'dan', 'eve', 'fay'];

export const pipelineOf = () => projectOf(...operators);

interface Of {
  policy?: Partial<Policy>;
  seconds?: number;
  needs?: Record<string, [run: string, level?: 'agreed' | 'trusted']>;
}

/** A job of one commit; its id comes back. */
export function publish(bench: Bench, name: string, { needs, ...over }: Of = {}): Promise<string> {
  const of = Object.entries(needs ?? {}).map(([input, [request, level = 'agreed']]) => [
    input,
    { request, level },
  ]);
  return bench.submit({
    name,
    job: { source },
    ...over,
    ...(needs !== undefined && { needs: Object.fromEntries(of) }),
  });
}

/** Leases of the last round of a run. */
export async function lease(bench: Bench, run: string, ...keys: string[]) {
  const round = bench.run(run).rounds.at(-1);
  const tokens: [string, string][] = [];
  for (const key of keys) tokens.push([key, await bench.claim(key, { offer: round?.offerId ?? '' })]);
  if (round?.windowOpen === true) bench.drive(timings.windowMs);
  const leases = [];
  for (const [key, token] of tokens) {
    const reply = bench.lastReply(token);
    if (reply.kind === 'lease') leases.push([key, await bench.signed(reply.lease)] as const);
  }
  return leases;
}

/** The operators of a round deliver, and what they agree on is pinned. */
export async function agree(bench: Bench, run: string, outcome: Outcome, keys = ['ada', 'bob', 'cy']) {
  for (const [key, held] of await lease(bench, run, ...keys)) await bench.deliver(key, held, outcome);
  if (bench.facts(run).phase.kind === 'pinning') bench.pinned(run);
}

export async function trustedBuilds(bench: Bench, run: string, outcome: Outcome) {
  for (const [key, held] of await lease(bench, run, 'trusted')) await bench.deliver(key, held, outcome);
}

export async function trust(bench: Bench, run: string, outcome: Outcome) {
  await trustedBuilds(bench, run, outcome);
  bench.cosign(run);
}

export const stateOf = (bench: Bench, run: string) => {
  const { state, level } = bench.result(run);
  return [state, level];
};
