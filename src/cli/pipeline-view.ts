import type { Progress } from '../core/controller/events.ts';
import { escapeLine } from '../core/escape.ts';
import type { Client } from '../runtime/client/client.ts';
import type { Context } from './context.ts';
import { levelText } from './dispute.ts';
import { type Exit, exits } from './exit-codes.ts';
import { failedResults, sayFailure } from './failure-report.ts';
import { duration } from './format.ts';
import type { Board, Colours, Row } from './output.ts';
import type { PublishedJob } from './publish.ts';

/** Jobs that are followed at once, each on a stream of its own; those that come after others are told from their history. */
const followedMax = 16;

type Verdict = Extract<Progress, { kind: 'verdict' }>;

interface Followed {
  run: string;
  verdict: Verdict | undefined;
  history: Progress[];
}

/** Follows several runs, with a row for each. Done when all of them have the level. */
export async function followAll(
  { out, signal }: Context,
  client: Client,
  published: readonly PublishedJob[],
  until: 'agreed' | 'trusted',
  limit: AbortSignal,
): Promise<Exit> {
  const board = out.board();
  const view = new PipelineView(board, out.colours, published);
  const followed: Followed[] = [];
  const queue = [...published];
  const followOne = async ({ name, run }: PublishedJob): Promise<void> => {
    const one: Followed = { run, verdict: undefined, history: [] };
    followed.push(one);
    for await (const { at, progress } of client.follow(run, limit)) {
      out.value({ ...progress, event: progress.kind, name, run, at });
      view.show(name, at, progress);
      if (progress.kind === 'revealed') one.history.push(progress);
      if (progress.kind === 'input-lost') one.verdict = undefined;
      if (progress.kind !== 'verdict') continue;
      one.verdict = progress;
      if (progress.level !== 'agreed' || until === 'agreed') return;
    }
  };
  const next = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await followOne(job);
  };
  try {
    await Promise.all(Array.from({ length: followedMax }, next));
  } catch (error) {
    if (!signal.aborted) throw error;
    out.note('No longer following; the jobs go on. quorate jobs lists them.');
    return exits.interrupted;
  } finally {
    board.end();
  }
  for (const { run, verdict, history } of followed)
    if (verdict?.level === 'failed' || verdict?.level === 'disputed')
      await sayFailure(out, client, run, failedResults(history), limit);
  const reached = (verdict: Verdict | undefined) =>
    verdict?.level === 'trusted' || (verdict?.level === 'agreed' && until === 'agreed');
  return followed.every(({ verdict }) => reached(verdict)) ? exits.done : exits.no;
}

/** One row for each job of a pipeline. */
class PipelineView {
  readonly #board: Board;
  readonly #colours: Colours;
  readonly #width: number;
  /** When the first build of a job began. */
  readonly #began = new Map<string, number>();

  constructor(board: Board, colours: Colours, jobs: readonly PublishedJob[]) {
    this.#board = board;
    this.#colours = colours;
    this.#width = Math.max(...jobs.map(({ name }) => name.length));
  }

  show(name: string, at: number, progress: Progress): void {
    if (progress.kind === 'leased' && !this.#began.has(name)) this.#began.set(name, at);
    const row = this.#row(name, at, progress);
    if (row === undefined) return;
    const head = `  ${name.padEnd(this.#width)}  `;
    const { changing, text, ...rest } = row;
    this.#board.set(name, {
      ...{ text: head + text, ...rest },
      ...(changing !== undefined && { changing: () => head + changing() }),
    });
  }

  #row(name: string, at: number, progress: Progress): Row | undefined {
    const { green, red, yellow } = this.#colours;
    const began = this.#began.get(name) ?? at;
    switch (progress.kind) {
      case 'waiting':
        return { text: `waits for ${Object.keys(progress.needs).join(', ')}` };
      case 'leased':
        return { text: 'building', changing: () => `building ${duration(Math.max(0, Date.now() - began))}` };
      case 'revealed':
        return { text: `built in ${duration(Math.max(0, at - began))}` };
      case 'agreed':
        return { text: `agreed ${progress.artifact ?? 'no outputs'}` };
      case 'contradicted':
        return { text: "the trusted worker's build does not confirm it", paint: red };
      case 'input-lost':
        return { text: `stands no more: ${escapeLine(progress.reason, 200)}`, paint: red };
      case 'cancelled':
        return { text: `cancelled: ${escapeLine(progress.reason, 200)}`, paint: yellow };
      case 'revoked':
        return { text: `revoked: ${escapeLine(progress.reason, 200)}`, paint: red };
      case 'verdict': {
        const artifact = progress.artifact === null ? '' : ` ${progress.artifact}`;
        const paint = { trusted: green, agreed: yellow, failed: red, disputed: red }[progress.level];
        return { text: `${levelText(progress.level, progress.reason)}${artifact}`, paint };
      }
      default:
        return undefined;
    }
  }
}
