import { type AccountFacts, accountLine, accountOf, type RunState } from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { documentLimits } from '../../protocol/documents/limits.ts';
import { passReason } from '../../protocol/wire/pass-reason.ts';
import type { Progress } from '../../protocol/wire/progress.ts';
import { duration, shortId, shortRun } from '../../terminal/format.ts';
import { textWidth } from '../../terminal/layout.ts';
import type { Board, Colours, Row } from '../../terminal/output.ts';
import { paintOf, toldState } from './job-list.ts';
import { graphRows } from './pipeline-graph.ts';
import type { PublishedJob } from './publish.ts';

interface Shown {
  head: string;
  also: string[];
  needs: PublishedJob['needs'];
  /** Undefined before its first event. */
  facts: AccountFacts | undefined;
  /** Its evidence was verified here. */
  isVerified: boolean;
  /** It ended before, and has one row. */
  isKept: boolean;
  /** Of its verdict: time, artifact, operators. */
  made: string;
  told: Told;
  /** Operators that build it, or did in its last round. */
  operators: Set<string>;
  /** When the first build began, in ms; undefined before. */
  began: number | undefined;
}

/** The last event of a job, beside the state that it is in. */
interface Told extends Pick<Row, 'paint'> {
  /** Stands for the state while its round is open. */
  says?: string;
  /** Shows the time since the first build began. */
  counts?: boolean;
  /** Parts, two spaces apart, that are left out where the terminal is narrow. */
  more?: string;
}

/** The jobs of a pipeline as one picture: a row for each, below the job it rests on, with its level, who builds it, and time. */
export class PipelineView {
  readonly #board: Board;
  readonly #colours: Colours;
  readonly #width: number;
  readonly #jobs = new Map<string, Shown>();

  constructor(board: Board, colours: Colours, jobs: readonly Omit<PublishedJob, 'asked'>[]) {
    this.#board = board;
    this.#colours = colours;
    const rows = graphRows(jobs.map((job) => ({ ...job, id: job.name, needs: job.needs.map(nameOf) })));
    const needsOf = new Map(jobs.map(({ name, needs }) => [name, needs]));
    this.#width = Math.max(0, ...rows.map(({ head }) => head.length));
    for (const { job, head, also } of rows) {
      const needs = needsOf.get(job.name) ?? [];
      const isKept = job.isKept === true;
      const fresh = { facts: undefined, isVerified: false, told: {}, operators: new Set<string>(), made: '' };
      this.#jobs.set(job.name, { head, also, needs, began: undefined, isKept, ...fresh });
      // Rows stand in the order in which they are first set.
      if (board.live) this.#set(job.name, isKept ? 'kept' : 'published', {});
    }
  }

  /** `facts`: of the run, this event included. `isVerified`: its evidence proves the verdict that they have. */
  show(name: string, at: number, progress: Progress, facts: AccountFacts, isVerified = false): void {
    const job = this.#jobs.get(name);
    if (job === undefined) return;
    Object.assign(job, { facts, isVerified });
    const told = this.#told(job, at, progress);
    if (told === undefined) return;
    job.told = told;
    this.#drawWithReaders(name, job);
  }

  /** Those that need it too, where their state rests on its own. Each once, however many ways lead to it. */
  #drawWithReaders(name: string, job: Shown, seen = new Set<string>()): void {
    if (seen.has(name)) return;
    seen.add(name);
    if (this.#fellBefore(job)) return;
    if (!job.isKept || job.isVerified) this.#draw(name, job);
    for (const [other, one] of this.#jobs) {
      if (!one.needs.some((need) => need.name === name)) continue;
      if (one.facts?.level === 'agreed') this.#draw(other, one);
      if (one.facts?.state === 'cancelled') this.#drawWithReaders(other, one, seen);
    }
  }

  /** It was cancelled with a job that it needs, of which that is not told yet. */
  #fellBefore({ facts, needs }: Shown, seen = new Set<string>()): boolean {
    if (facts?.state !== 'cancelled') return false;
    return needs.some(({ name }) => {
      // One that was looked at before did not fall so: else the search had ended there.
      if (facts.cancelled?.includes(name) !== true || seen.has(name)) return false;
      seen.add(name);
      const need = this.#jobs.get(name);
      return need?.facts === undefined || !accountOf(need.facts).over || this.#fellBefore(need, seen);
    });
  }

  /** Its evidence proves the level that these facts have. */
  verified(name: string, facts: AccountFacts): void {
    const job = this.#jobs.get(name);
    if (job === undefined) return;
    Object.assign(job, { facts, isVerified: true });
    this.#draw(name, job);
  }

  #draw(name: string, { facts, isVerified, needs, told }: Shown): void {
    if (facts === undefined) return;
    const awaits = needs.filter((need) => !isTrusted(this.#jobs.get(need.name))).map(nameOf);
    const account = accountOf(facts.level === null ? facts : { ...facts, awaits });
    const { state } = account;
    const shown = toldState(state, isVerified);
    const says =
      state === 'building'
        ? (told.says ?? state)
        : onlyState.has(state)
          ? shown
          : accountLine({ ...account, state: shown });
    const signed = facts.level !== null && facts.cosigned === false ? ' *' : '';
    this.#set(name, `${escapeLine(says, 200)}${signed}`, {
      ...told,
      paint:
        told.paint ??
        (state === 'trusted' && !isVerified ? this.#colours.yellow : paintOf(state, false, this.#colours)),
    });
  }

  #set(name: string, says: string, { counts, more = '', paint }: Told): void {
    const job = this.#jobs.get(name);
    if (job === undefined) return;
    const live = this.#board.live;
    const head = `  ${(live ? job.head : name).padEnd(this.#width)}  `;
    const also = live && job.also.length > 0 ? `also needs ${job.also.join(', ')}` : '';
    const tail = [more, also].filter((part) => part !== '').map((part) => `  ${part}`);
    const text = (time: string) => `${head}${says}${time}${tail.join('')}`;
    const { began } = job;
    const changing =
      counts === true && began !== undefined
        ? () => text(` ${duration(Math.max(0, Date.now() - began))}`)
        : undefined;
    // Of what a narrow terminal has no room for the last goes first, and then the columns.
    const brief = (whole: string, width: number) => {
      const all = [more.split('  '), also].flat().filter((part) => part !== '');
      const time = whole.slice(head.length, whole.length - tail.join('').length);
      for (let kept = all.length; kept >= 0; kept--) {
        const fits = [`${head}${time}`, ...all.slice(0, kept)].join('  ');
        if (textWidth(fits) <= width) return fits;
      }
      return `${job.head} ${time}`;
    };
    this.#board.set(name, { text: text(''), brief, paint, changing });
  }

  /** Undefined for an event that its row does not show. */
  #told(job: Shown, at: number, progress: Progress): Told | undefined {
    const { red, yellow } = this.#colours;
    const took = `in ${duration(at - (job.began ?? at))}`;
    switch (progress.kind) {
      case 'waiting':
      case 'answer-cosigning':
      case 'cancelled':
      case 'revoked':
        return {};
      case 'round':
        job.operators.clear();
        return { says: progress.round === 1 ? 'offered' : `offered again, round ${progress.round}` };
      case 'leased':
        job.began ??= at;
        // No round has more.
        if (job.operators.size <= documentLimits.slotsMax) job.operators.add(progress.operator);
        if (job.facts?.level === 'agreed') return { more: `${job.made}  the trusted worker builds it` };
        return { says: 'building', counts: true, more: this.#who(job) };
      case 'passed': {
        const who = `${escapeLine(progress.operator, 80)}: ${escapeLine(passReason(progress.reason), 200)}`;
        if (job.operators.size > 0) return undefined;
        return { says: 'offered', more: `declined by ${who}`, paint: yellow };
      }
      case 'lost':
        job.operators.delete(progress.operator);
        return undefined;
      case 'revealed':
        return { says: `built ${took}`, more: this.#who(job) };
      case 'answered':
        return { more: `in ${shortRun(progress.earlier)}` };
      case 'answer-refused':
        return { says: `not answered: ${progress.message}`, paint: yellow };
      case 'contradicted':
        return { says: "the trusted worker's build does not confirm it", paint: red };
      case 'input-lost':
        return { more: `stands no more: ${escapeLine(progress.reason, 200)}`, paint: red };
      case 'reopened':
        return { says: `built again: ${progress.reason}`, paint: yellow };
      case 'restored':
        return { more: 'stands again: the key that revoked it was revoked' };
      case 'verdict': {
        const { artifact } = progress;
        const made = artifact === null ? '' : `  ${this.#board.live ? shortId(artifact) : artifact}`;
        job.made = `${took}${made}  ${this.#who(job)}`.trimEnd();
        return { more: job.isKept ? `kept  ${job.made}` : job.made };
      }
      default:
        return undefined;
    }
  }

  #who = ({ operators }: Shown): string => [...operators].join(', ');
}

const nameOf = ({ name }: { name: string }): string => name;

/** States that say enough by themselves. */
const onlyState: ReadonlySet<RunState> = new Set(['provisional', 'agreed', 'trusted']);

const isTrusted = (job: Shown | undefined): boolean =>
  job?.facts?.level === 'trusted' && job.facts.revoked === undefined;
