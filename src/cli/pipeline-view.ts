import { verdictText } from '../core/account/index.ts';
import { escapeLine } from '../core/escape.ts';
import { passReason } from '../core/wire/pass-reason.ts';
import type { Progress } from '../core/wire/progress.ts';
import { duration, shortId, shortRun } from './format.ts';
import type { Board, Colours, Row } from './output.ts';
import { graphRows } from './pipeline-graph.ts';
import type { PublishedJob } from './publish.ts';

/** What is known of one job. */
interface Shown {
  head: string;
  also: string[];
  needs: PublishedJob['needs'];
  level: string | undefined;
  /** Operators that build it, or did in its last round. */
  operators: Set<string>;
  /** When the first build began, in ms; undefined before. */
  began: number | undefined;
}

interface State extends Pick<Row, 'paint'> {
  says: string;
  /** Shows the time since the first build began. */
  counts?: boolean;
  /** Left out where the terminal is narrow. */
  more?: string;
}

/** The jobs of a pipeline as one picture: a row for each, below the job it rests on, with its level, who builds it, and time. */
export class PipelineView {
  readonly #board: Board;
  readonly #colours: Colours;
  readonly #width: number;
  readonly #jobs = new Map<string, Shown>();

  constructor(board: Board, colours: Colours, jobs: readonly PublishedJob[]) {
    this.#board = board;
    this.#colours = colours;
    const rows = graphRows(jobs.map((job) => ({ ...job, id: job.name, needs: job.needs.map(nameOf) })));
    const needsOf = new Map(jobs.map(({ name, needs }) => [name, needs]));
    this.#width = Math.max(0, ...rows.map(({ head }) => head.length));
    for (const { job, head, also } of rows) {
      const needs = needsOf.get(job.name) ?? [];
      const fresh = { level: undefined, operators: new Set<string>(), began: undefined };
      this.#jobs.set(job.name, { head, also, needs, ...fresh });
      // Rows stand in the order in which they are first set.
      if (board.live) this.#set(job.name, { says: 'published' });
    }
  }

  show(name: string, at: number, progress: Progress): void {
    const job = this.#jobs.get(name);
    if (job === undefined) return;
    const before = job.level;
    const state = this.#state(job, at, progress);
    if (state !== undefined) this.#set(name, state);
    if (job.level !== before) this.#markProvisional(name, job.level);
  }

  #set(name: string, { says, counts, more = '', paint }: State): void {
    const job = this.#jobs.get(name);
    if (job === undefined) return;
    const live = this.#board.live;
    const head = `  ${(live ? job.head : name).padEnd(this.#width)}  `;
    const also = live && job.also.length > 0 ? `also needs ${job.also.join(', ')}` : '';
    const tail = [more, also].filter((part) => part !== '').map((part) => `  ${part}`);
    const text = (time: string) => `${head}${says}${time}${tail.join('')}`;
    const { began } = job;
    this.#board.set(name, {
      text: text(''),
      brief: (whole) => `${job.head} ${whole.slice(head.length, whole.length - tail.join('').length)}`,
      ...(paint !== undefined && { paint }),
      ...(counts === true &&
        began !== undefined && { changing: () => text(` ${duration(Math.max(0, Date.now() - began))}`) }),
    });
  }

  /** Where the level of a job changed, what rests on it may be provisional no more, or again. */
  #markProvisional(changed: string, level: string | undefined): void {
    for (const [name, job] of this.#jobs)
      if (job.level === 'agreed' && level === 'trusted' && job.needs.some((need) => need.name === changed))
        if (!this.#isProvisional(job)) this.#set(name, { says: 'agreed', paint: this.#colours.yellow });
  }

  #isProvisional({ needs }: Shown): boolean {
    return needs.some(({ name }) => this.#jobs.get(name)?.level !== 'trusted');
  }

  #state(job: Shown, at: number, progress: Progress): State | undefined {
    const { green, red, yellow } = this.#colours;
    switch (progress.kind) {
      case 'waiting':
        return { says: `waiting for ${needsText(progress.needs)}` };
      case 'round':
        job.operators.clear();
        return { says: progress.round === 1 ? 'offered' : `offered again, round ${progress.round}` };
      case 'leased':
        job.began ??= at;
        job.operators.add(progress.operator);
        if (job.level === 'agreed') return { ...this.#agreed(job), more: 'the trusted worker builds it' };
        return { says: 'building', counts: true, more: this.#who(job) };
      case 'passed': {
        const who = `${escapeLine(progress.operator, 80)}: ${escapeLine(passReason(progress.reason), 200)}`;
        return job.operators.size > 0
          ? undefined
          : { says: 'offered', more: `declined by ${who}`, paint: yellow };
      }
      case 'lost':
        job.operators.delete(progress.operator);
        return undefined;
      case 'revealed':
        return { says: `built in ${duration(at - (job.began ?? at))}`, more: this.#who(job) };
      case 'answered':
        return { says: `built before, in ${shortRun(progress.earlier)}` };
      case 'answer-cosigning':
        return { says: 'built before, waits for the signature of a trusted worker' };
      case 'answer-refused':
        return { says: `not answered: ${escapeLine(progress.message, 200)}`, paint: yellow };
      case 'contradicted':
        job.level = undefined;
        return { says: "the trusted worker's build does not confirm it", paint: red };
      case 'input-lost':
        job.level = undefined;
        return { says: `stands no more: ${escapeLine(progress.reason, 200)}`, paint: red };
      case 'reopened':
        job.level = undefined;
        return { says: `built again: ${escapeLine(progress.reason, 200)}`, paint: yellow };
      case 'cancelled':
        return { says: `cancelled: ${escapeLine(progress.reason, 200)}`, paint: yellow };
      case 'revoked':
        job.level = undefined;
        return { says: `revoked: ${escapeLine(progress.reason, 200)}`, paint: red };
      case 'restored':
        job.level = progress.level;
        return { says: 'stands again: the key that revoked it was revoked' };
      case 'verdict': {
        const { level, artifact } = progress;
        job.level = level;
        const took = `in ${duration(at - (job.began ?? at))}`;
        const made = artifact === null ? '' : `  ${this.#board.live ? shortId(artifact) : artifact}`;
        const more = `${took}${made}  ${this.#who(job)}`.trimEnd();
        if (level === 'agreed') return { ...this.#agreed(job), more };
        return {
          says: escapeLine(verdictText(progress), 200),
          more,
          paint: level === 'trusted' ? green : red,
        };
      }
      default:
        return undefined;
    }
  }

  #agreed(job: Shown): State {
    const { yellow } = this.#colours;
    return { says: this.#isProvisional(job) ? 'provisional' : 'agreed', paint: yellow };
  }

  #who = ({ operators }: Shown): string => [...operators].join(', ');
}

const nameOf = ({ name }: { name: string }): string => name;

/** `lib (agreed), docs (trusted)`. */
const needsText = (needs: Record<string, { level: string }>): string =>
  Object.entries(needs)
    .map(([name, { level }]) => `${name} (${level})`)
    .join(', ');
