import { shownLevel } from '../../../protocol/account/index.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { type Request, sameValue } from '../../../protocol/documents/index.ts';
import { enforce } from '../../../protocol/judge/index.ts';
import { atLeast, type Level } from '../../../protocol/trust/evidence.ts';
import type { Revoked } from '../../../protocol/trust/revocations.ts';
import type { RunSummary } from '../../../protocol/wire/runs.ts';
import { artifactIn, isOver, type RunFacts } from '../facts.ts';
import type { Moment } from '../members/charter.ts';
import { type ControllerState, publishedOf } from '../state.ts';

type Need = NonNullable<Request['needs']>[string];

/** Whether needs were published before, so that nothing waits for itself, for the same commit and job file. @throws `REQUEST_NEEDS_…`, `ARTIFACT_OF_TEST`. */
export function checkNeeds({ state }: Moment, { needs = {}, repo, commit, recipe }: Request): void {
  for (const [name, { request, gate }] of Object.entries(needs)) {
    const needed = state.index.get(request);
    enforce(
      'REQUEST_NEEDS_UNKNOWN',
      needed !== undefined,
      `the job reads ${name} of request ${request}, which was not published here`,
    );
    enforce(
      'ARTIFACT_OF_TEST',
      gate === true || needed?.job.kind !== 'test',
      `${name} is a test: what it puts out are reports, and never an artifact to read`,
      'Wait for it instead (gate), and have a job build what is read.',
    );
    const of = needed?.request.payload;
    enforce(
      'REQUEST_NEEDS_MISMATCH',
      of?.repo === repo && of.commit === commit,
      `${name} is built from another commit or repository than the job that reads it`,
    );
    enforce(
      'REQUEST_NEEDS_MISMATCH',
      sameValue(of?.recipe ?? null, recipe ?? null),
      `${name} is of another job file than the job that reads it`,
      'Publish all jobs of a file together.',
    );
  }
}

/** The result of a run, with its present level. */
interface Made {
  level: Level;
  artifact: string | null;
  /** Why the level will never be higher; undefined while it may. */
  final: string | undefined;
}

function madeBy(state: ControllerState, run: RunFacts | undefined): Made {
  if (run === undefined) return { level: 'none', artifact: null, final: 'is not known' };
  const published = publishedOf(run);
  const final =
    !isOver(run) || state.recalls.has(run.id)
      ? undefined
      : run.phase.kind === 'cancelled'
        ? 'was cancelled'
        : run.revoked !== null
          ? 'was revoked'
          : `ended as ${published === null ? 'nothing' : shownLevel(published.verdict.level, published.ending ?? undefined)}`;
  if (published === null || run.phase.kind === 'cancelled') return { level: 'none', artifact: null, final };
  if (run.revoked !== null) return { level: 'none', artifact: null, final };
  const { level, outcome } = published.verdict;
  // A failure is nothing to rest on.
  if (level !== 'agreed' && level !== 'trusted') return { level: 'none', artifact: null, final };
  return { level, artifact: artifactIn(run, outcome), final };
}

/** How an input stands: `reached` once its level is what the need asks for; `lost` where it never will be. */
export function inputOf(
  state: ControllerState,
  { request, level: wanted, gate }: Need,
): Made & { reached: boolean; lost: string | undefined } {
  const made = madeBy(state, state.index.get(request));
  const good = atLeast(made.level, wanted);
  const reached = good && (gate === true || made.artifact !== null);
  const final = good && made.final !== undefined ? 'made nothing that can be read' : made.final;
  return { ...made, reached, lost: reached ? undefined : final };
}

export function needsOfRun({ request }: RunFacts): [name: string, need: Need][] {
  return Object.entries(request.payload.needs ?? {});
}

/** The run with which one fell that needs it, directly or not: the first of a chain, under the name that its reader gives it. */
export function fellWithOf(
  state: ControllerState,
  run: RunFacts,
  looked: Set<string> = new Set(),
): RunSummary['fellWith'] {
  if (looked.has(run.id) || looked.size >= limits.pipelineJobsMax) return undefined;
  looked.add(run.id);
  for (const [name, need] of needsOfRun(run)) {
    const needed = state.index.get(need.request);
    const how = needed === undefined ? undefined : howItFell(run, name, inputOf(state, need), needed);
    if (needed !== undefined && how !== undefined)
      return fellWithOf(state, needed, looked) ?? { name, run: needed.id, how };
  }
  return undefined;
}

function howItFell(
  { revoked, phase }: RunFacts,
  name: string,
  { lost }: { lost: string | undefined },
  needed: RunFacts,
): string | undefined {
  if (revoked !== null) return needed.revoked === null ? undefined : 'was revoked';
  // As `considerInputs` gives the reason: its publisher may have cancelled it for another one.
  const fell = phase.kind === 'cancelled' && phase.reason.startsWith(`${name}, which it needs, `);
  return fell ? lost : undefined;
}

/** The runs that this one rests on, directly or not, each once. As many as a bundle may hold, and one more, are looked for. */
export function inputRunsOf({ index }: ControllerState, { needs = {} }: Pick<Request, 'needs'>): RunFacts[] {
  const found = new Map<string, RunFacts>();
  const open = Object.values(needs);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const run = index.get(next.request);
    if (run === undefined || found.has(run.id) || found.size > limits.pipelineJobsMax) continue;
    found.set(run.id, run);
    open.push(...Object.values(run.request.payload.needs ?? {}));
  }
  return [...found.values()];
}

/** Levels of what a run read, by the name of the input: `none` for what is worth something else by now. */
export function inputLevels(state: ControllerState, run: RunFacts): Record<string, Level> {
  return Object.fromEntries(
    needsOfRun(run).map(([name, need]) => {
      const { level, artifact } = madeBy(state, state.index.get(need.request));
      const same = need.gate === true || (artifact !== null && artifact === run.job.inputs[name]);
      return [name, same ? level : 'none'];
    }),
  );
}

export function inputsTrusted(state: ControllerState, run: RunFacts): boolean {
  return Object.values(inputLevels(state, run)).every((level) => level === 'trusted');
}

/** The revocation for which what a run read stands no more. */
export function inputRevoked(state: ControllerState, run: RunFacts): Revoked | undefined {
  for (const [, { request }] of needsOfRun(run)) {
    const revoked = state.index.get(request)?.revoked ?? null;
    if (revoked !== null) return revoked;
  }
  return undefined;
}
