import { html } from 'hono/html';
import { command, foreign, type Html, shownId } from '../../http/kit/parts.ts';
import { type Account, type BuildState, buildText, firstOfMost } from '../../protocol/account/index.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import type { RunFacts } from '../machine/facts.ts';

/** A build of one slot of a round. `result` is there once its round is revealed. */
interface Build {
  operator: string;
  worker: string;
  slot: string;
  does: BuildState;
  result?: string;
  /** It signed the verdict. */
  signed?: true;
}

interface Round {
  n: number;
  agree: number;
  of: number;
  builds: Map<string, Build>;
  files: readonly string[];
  filesCount: number;
}

type Told = RunFacts['history'];
const cidPattern = /^baf[a-z2-7]{20,110}$/;

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
      rounds.push({ ...{ n, agree, of }, builds, files: [], filesCount: 0 });
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

/** Operators and their outcomes: a row for each operator, a column for each outcome, and how to compare those that differ. */
export function matrix(history: Told, account: Account): Html {
  const rounds = roundsIn(history);
  if (rounds.length === 0) return html`<p class="quiet">No round has been opened.</p>`;
  return html`${rounds.toReversed().map((round, at) => oneRound(round, at === 0, account))}`;
}

function oneRound(round: Round, open: boolean, account: Account): Html {
  const told = [...round.builds.values()];
  const outcomes = outcomesOf(told);
  const builds = told.sort((a, b) => (a.operator < b.operator ? -1 : 1));
  const head = `Round ${round.n}: ${round.agree} of ${round.of} have to agree`;
  return html`<details${open ? html` open` : ''}><summary>${head}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Round ${round.n}"><table class="matrix">
<thead><tr><th scope="col">Operator</th><th scope="col">Worker</th>${outcomes.map((outcome) => html`<th scope="col">${outcomeName(outcome)}</th>`)}${builds.some(({ does }) => does !== 'revealed') ? html`<th scope="col">${account.over ? 'Without a result' : 'Not revealed'}</th>` : ''}</tr></thead>
<tbody>${builds.map((build) => row(build, builds, outcomes, account))}</tbody></table></div>
${builds.length === 0 ? html`<p class="quiet">No operator has taken a slot.</p>` : ''}
${differences(round, outcomes)}</details>`;
}

const outcomesOf = (builds: readonly Build[]): string[] =>
  firstOfMost(builds.flatMap(({ result, slot }) => (result === undefined ? [] : [{ result, slot }])));

const outcomeName = (result: string): Html =>
  cidPattern.test(result) ? shownId(result) : html`${foreign(result, 80)}`;

/** Mark of a result: `same` is the result of most builds, where at least two came to it. */
function markOf(outcome: string, at: number, builds: readonly Build[]): { kind: string; says: string } {
  if (/^exit [1-9]/.test(outcome)) return { kind: 'differs', says: '✗ failed' };
  if (outcome.startsWith('aborted:')) return { kind: 'differs', says: '✗ aborted' };
  const results = builds.flatMap(({ result }) => result ?? []);
  if (results.length === 1) return { kind: '', says: 'built' };
  const same = results.filter((result) => result === outcome).length;
  return at === 0 && same > 1 ? { kind: 'same', says: '✓ same' } : { kind: 'differs', says: '✗ differs' };
}

function row(build: Build, builds: readonly Build[], outcomes: readonly string[], account: Account): Html {
  const cells = outcomes.map((outcome, at) => {
    if (build.result !== outcome) return html`<td></td>`;
    const mark = markOf(outcome, at, builds);
    return html`<td class="${mark.kind}">${mark.says}${build.signed === true ? ', signed' : ''}</td>`;
  });
  const pending = builds.some((one) => one.does !== 'revealed');
  return html`<tr><th scope="row">${foreign(build.operator, 80)}${build.slot === 'trusted' ? ' (trusted worker)' : ''}</th>
<td>${build.worker === '' ? '' : html`<code>…${foreign(build.worker.slice(-6), 8)}</code>`}</td>${cells}${pending ? html`<td>${buildText(build.does, account)}</td>` : ''}</tr>`;
}

function differences({ files, filesCount }: Round, outcomes: readonly string[]): Html {
  const [most, ...others] = outcomes.filter((outcome) => cidPattern.test(outcome));
  const more = filesCount - files.length;
  return html`${
    files.length === 0
      ? ''
      : html`<p>Files that differ: ${files.map((file, at) => html`${at === 0 ? '' : ', '}<code>${foreign(file)}</code>`)}${more > 0 ? ` and ${more} more` : ''}.</p>`
  }${most === undefined ? '' : others.slice(0, 3).map((other) => command(`quorate diff ${most} ${other}`))}`;
}
