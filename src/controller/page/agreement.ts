import { html } from 'hono/html';
import { command, foreign, type Html, named, shownId, time } from '../../http/kit/parts.ts';
import {
  type Account,
  type BuildState,
  type BuildTime,
  buildText,
  buildTimes,
  firstOfMost,
} from '../../protocol/account/index.ts';
import { counted, duration } from '../../protocol/base/quantity.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { RunFacts } from '../machine/facts.ts';

/** A build of one slot of a round. `result` is there once its round is revealed. */
interface Build {
  operator: string;
  worker: string;
  slot: string;
  does: BuildState;
  result?: string;
  signed?: true;
}

interface Round {
  n: number;
  agree: number;
  of: number;
  builds: Map<string, Build>;
  files: readonly string[];
  filesCount: number;
  /** The agreement: tree and operators. */
  agreed?: { artifact: string | null; by: readonly string[] };
  /** The trusted worker did not come to it. */
  isContradicted?: true;
}

type Told = RunFacts['history'];
/** Whether a result is the CID of a tree. */
export const isTree = (result: string): boolean => /^baf[a-z2-7]{20,110}$/.test(result);

/** The rounds of a run by its history, which holds no result of a sealed one. */
function roundsIn(history: Told): Round[] {
  const rounds: Round[] = [];
  for (const { progress } of history) {
    if (progress.kind === 'round') {
      const { round: n, agree, of } = progress;
      const builds = new Map<string, Build>();
      const before = rounds.at(-1)?.builds;
      const trusted = before?.get('trusted');
      // The trusted worker builds once for all rounds.
      if (trusted !== undefined && trusted.does !== 'lost') {
        before?.delete('trusted');
        builds.set('trusted', trusted);
      }
      rounds.push({ n, agree, of, builds, files: [], filesCount: 0 });
    }
    const round = rounds.at(-1);
    if (round !== undefined) take(rounds, round, progress);
  }
  return rounds;
}

function take(rounds: readonly Round[], round: Round, progress: Progress): void {
  switch (progress.kind) {
    case 'leased':
    case 'delivered':
    case 'lost': {
      const { operator, worker, slot } = progress;
      const does = ({ leased: 'building', delivered: 'sealed', lost: 'lost' } as const)[progress.kind];
      const key = String(slot);
      if (round.builds.get(key)?.does === 'revealed' && progress.kind === 'delivered') return;
      round.builds.set(key, { operator, worker, slot: key, does });
      return;
    }
    case 'revealed':
    case 'compared':
      for (const one of progress.results) {
        const { operator, worker, slot, result } = one;
        const n = 'round' in one ? one.round : round.n;
        const { builds } =
          (slot === 'trusted' ? undefined : rounds.findLast((each) => each.n === n)) ?? round;
        const key = String(slot);
        // Rows are in the order in which results were told.
        builds.delete(key);
        builds.set(key, { operator, worker, slot: key, does: 'revealed', result });
      }
      if (progress.kind === 'compared') [round.files, round.filesCount] = [progress.files, progress.count];
      return;
    case 'agreed':
      round.agreed = progress;
      return;
    case 'contradicted':
      round.isContradicted = true;
      return;
    case 'differs':
      [round.files, round.filesCount] = [progress.files, progress.count];
      return;
    case 'verdict':
      if ((progress.level === 'trusted' || progress.level === 'failed') && progress.cosigned !== false)
        cosigned(round);
  }
}

/** The trusted worker signed. A controller of before does not tell what it came to: to what operators did. */
function cosigned(round: Round): void {
  const trusted = round.builds.get('trusted');
  const [most] = outcomesOf([...round.builds.values()]);
  const result = trusted?.result ?? most;
  if (trusted === undefined || result === undefined) return;
  round.builds.set('trusted', { ...trusted, does: 'revealed', result, signed: true });
}

/** Where the log of a build is; undefined where there is none, or it is not shown. */
type LogUrlOf = (build: { slot: string; worker: string }) => string | undefined;

/** Facts of a build beside its result. */
interface Aside {
  logUrlOf: LogUrlOf;
  timeOf(build: Build): BuildTime | undefined;
}

/** Operators by what they came to, a group of rows for each outcome, and how to compare those that differ. */
export function agreement(history: Told, account: Account, logUrlOf: LogUrlOf = () => undefined): Html {
  const rounds = roundsIn(history);
  if (rounds.length === 0) return html`<p class="quiet">No round has been opened.</p>`;
  const times = buildTimes(history);
  const aside: Aside = {
    logUrlOf,
    timeOf: ({ slot, worker }) => times.findLast((one) => String(one.slot) === slot && one.worker === worker),
  };
  return html`${rounds.toReversed().map((round, at) => oneRound(round, at === 0, account, aside))}`;
}

/** Files in which builds of the last round differ, as many as are told, and how many there are. */
export function filesThatDiffer(history: Told): { files: readonly string[]; count: number } {
  const told = roundsIn(history).findLast(({ files }) => files.length > 0);
  return { files: told?.files ?? [], count: told?.filesCount ?? 0 };
}

function oneRound(round: Round, open: boolean, account: Account, aside: Aside): Html {
  const told = [...round.builds.values()];
  const outcomes = outcomesOf(told);
  const builds = told.sort((a, b) => (a.operator < b.operator ? -1 : 1));
  const groups = [
    ...outcomes.flatMap((outcome, at) => {
      const all = builds.filter(({ result }) => result === outcome);
      const others = listingOthers(round, outcome, all, outcomes.length === 1);
      const name = isTree(outcome) ? shownId(outcome) : html`${foreign(outcome, 120)}`;
      const marked = {
        ...markOf(outcome, at, builds, round),
        name,
        of: all.filter((one) => !others.includes(one)),
      };
      const otherwise = { kind: 'differs', says: '≠ same tree, other files listed', name, of: others };
      return [marked, otherwise].filter(({ of }) => of.length > 0);
    }),
    ...[...Map.groupBy(without(builds), ({ does }) => buildText(does, account))].map(([says, of]) => ({
      kind: 'pending',
      says,
      name: undefined,
      of,
    })),
  ];
  const head = `Round ${round.n}: ${round.agree} of ${round.of} have to agree`;
  return html`<details${open ? html` open` : ''}><summary>${head}</summary>
${
  builds.length === 0
    ? html`<p class="quiet">No operator has taken a slot.</p>`
    : html`<table class="list agreement" aria-label="Round ${round.n}">
<thead><tr><th scope="col">Operator</th><th scope="col">Took</th><th scope="col">Worker</th><th scope="col">Log</th></tr></thead>
${groups.map(
  ({
    kind,
    says,
    name,
    of,
  }) => html`<tbody class="${kind}"><tr><th scope="rowgroup" colspan="4">${says} <span class="quiet">${whom(of)}</span>${name === undefined ? '' : html` ${name}`}</th></tr>
${of.map((build) => row(build, aside))}</tbody>`,
)}</table>`
}
${differences(round, outcomes)}</details>`;
}

/** Builds of one tree that list other files in it than others do. No result tells: where not all of them agreed, though enough were there. */
function listingOthers(
  { files, agree, agreed, isContradicted }: Round,
  outcome: string,
  builds: readonly Build[],
  isOnly: boolean,
): readonly Build[] {
  if (files.length === 0 || !isTree(outcome)) return [];
  const operators = builds.filter(({ slot }) => slot !== 'trusted');
  if (agreed?.artifact === outcome)
    return builds.filter(({ slot, operator }) =>
      slot === 'trusted' ? isContradicted : !agreed.by.includes(operator),
    );
  return isOnly || operators.length >= agree ? builds : [];
}

/** `2 operators and the trusted worker`. */
function whom(builds: readonly Build[]): string {
  const operators = builds.filter(({ slot }) => slot !== 'trusted').length;
  const trusted = operators < builds.length ? 'the trusted worker' : '';
  return [operators === 0 ? '' : counted(operators, 'operator'), trusted]
    .filter((one) => one !== '')
    .join(' and ');
}

const without = (builds: readonly Build[]): Build[] => builds.filter(({ does }) => does !== 'revealed');

const outcomesOf = (builds: readonly Build[]): string[] =>
  firstOfMost(builds.flatMap(({ result, slot }) => (result === undefined ? [] : [{ result, slot }])));

/**
 * Mark of a result: `same` is the result of most builds, where at least two came to it. Of fewer than have to agree, beside other
 * results, only their number is known: no result tells which files they list.
 */
function markOf(
  outcome: string,
  at: number,
  builds: readonly Build[],
  { agree, agreed, isContradicted }: Round,
): { kind: string; says: string } {
  if (/^exit [1-9]/.test(outcome)) return { kind: 'differs', says: '✗ failed' };
  if (outcome.startsWith('aborted:')) return { kind: 'differs', says: '✗ aborted' };
  const notAsTrusted = { kind: 'differs', says: '≠ not as the trusted worker' };
  if (isContradicted && agreed?.artifact === outcome) return notAsTrusted;
  const results = builds.flatMap(({ result }) => result ?? []);
  if (results.length === 1) return { kind: 'only', says: 'built' };
  const same = results.filter((result) => result === outcome).length;
  const own = builds.find(({ slot }) => slot === 'trusted')?.result;
  if (at === 0 && own !== undefined && own !== outcome) return notAsTrusted;
  if (at > 0 || same < 2) return { kind: 'differs', says: '✗ differs' };
  const operators = builds.filter(({ result, slot }) => result === outcome && slot !== 'trusted').length;
  const isKnown = same === results.length || !isTree(outcome) || operators >= agree;
  return isKnown || agreed?.artifact === outcome
    ? { kind: 'same', says: '✓ same' }
    : { kind: 'only', says: `same tree at ${operators} of the ${agree} that have to agree` };
}

function row(build: Build, { logUrlOf, timeOf }: Aside): Html {
  const { operator, worker, slot, does, signed } = build;
  const log = logUrlOf(build);
  const took = timeOf(build);
  const since = does === 'building' && took !== undefined ? html`since ${time(took.startedAt)}` : '';
  return html`<tr><th scope="row">${named(operator, 80)}${slot === 'trusted' ? html` <span class="chip trusted">${signed === true ? 'trusted worker, signed' : 'trusted worker'}</span>` : ''}</th>
<td>${took?.ms === undefined ? since : duration(took.ms)}</td>
<td>${worker === '' ? '' : html`<code>…${foreign(worker.slice(-6), 8)}</code>`}</td>
<td>${log === undefined ? '' : html`<a href="${log}" aria-label="Log of ${foreign(operator, 80)}">log</a>`}</td></tr>`;
}

function differences({ files, filesCount }: Round, outcomes: readonly string[]): Html {
  const [most, ...others] = outcomes.filter(isTree);
  const more = filesCount - files.length;
  return html`${
    files.length === 0
      ? ''
      : html`<p>Files that differ: ${files.map((file, at) => html`${at === 0 ? '' : ', '}<code>${foreign(file)}</code>`)}${more > 0 ? ` and ${more} more` : ''}.</p>`
  }${most === undefined ? '' : others.slice(0, 3).map((other) => command(`quorate diff ${most} ${other}`))}`;
}
