import {
  accountOf,
  branchJobs,
  defaultBranch,
  headlineOf,
  pushesOf,
  type RunState,
} from '../../protocol/account/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { RunSummary } from '../../protocol/wire/runs.ts';
import { duration, shortId, shortRun } from '../../terminal/format.ts';
import { laid, shortened, table, textWidth } from '../../terminal/layout.ts';
import type { Colours } from '../../terminal/output.ts';

/** Jobs of a push, in the order in which they were published. */
export interface Push {
  newest: RunSummary;
  jobs: RunSummary[];
}

interface Look {
  now: number;
  colours: Colours;
  /** Columns to fit in; text is broken between words only where `breaks`. */
  width: number;
  breaks: boolean;
}

const reasonCharsMax = 300;
const refCharsMax = 48;
/** States that say enough by themselves, in a list. */
const plain: ReadonlySet<RunState> = new Set(['trusted', 'building', 'failed']);

/** Runs by push, the newest push first. */
export function runsByPush(runs: readonly RunSummary[]): Push[] {
  const pushes = pushesOf(published(runs), ({ ref, commit, name, push = '' }) => ({
    publisher: '',
    ref,
    commit,
    push,
    name,
  }));
  return pushes.reverse().flatMap((jobs) => {
    const newest = jobs.at(-1);
    return newest === undefined ? [] : [{ newest, jobs }];
  });
}

/** Runs of an answer, the newest first, in the order in which they were published. */
const published = (runs: readonly RunSummary[]) =>
  runs.toReversed().sort((a, b) => a.submittedAt - b.submittedAt);

/** One sentence on how the default branch stands, or what was pushed last where there is none. */
export function headlineLine(runs: readonly RunSummary[], { colours }: Pick<Look, 'colours'>): string {
  const branches = [...branchJobs(published(runs))].map(([ref, jobs]) => ({
    ref: fullRef(ref),
    jobs,
    submittedAt: jobs.at(-1)?.submittedAt ?? 0,
  }));
  const { state, says } = headlineOf(defaultBranch(branches));
  const text = `${escapeLine(says, 500)}.`;
  return state === undefined ? text : colours.bold(paintOf(state, false, colours)(text));
}

/** Publishers may name a branch by its short name. */
const fullRef = (ref: string): string => (ref.startsWith('refs/') ? ref : `refs/heads/${ref}`);

/** Lines of a list of jobs: a head for each push, and its jobs below with their state first. */
export function jobLines(runs: readonly RunSummary[], look: Look): string[] {
  const pushes = runsByPush(runs);
  const cells = new Map(runs.map((run) => [run, cellsOf(run, look.now)]));
  // One width for all pushes, so that states stand below each other.
  const widthOf = (at: number) => Math.max(0, ...[...cells.values()].map((row) => row[at]?.length ?? 0));
  const widths = [0, 1, 2, 3].map(widthOf);
  return pushes.flatMap(({ newest, jobs }) => [
    ...headLines(newest, look),
    ...jobs.flatMap((job) => {
      const row = (cells.get(job) ?? []).map((cell, at) => cell.padEnd(widths[at] ?? 0));
      return jobLine(job, row, look);
    }),
  ]);
}

function headLines({ ref, commit, subject, author, submittedAt }: RunSummary, look: Look): string[] {
  const { bold, dim } = look.colours;
  const name = shortened(escapeLine(ref.replace(/^refs\/heads\//, ''), 300), refCharsMax);
  const head = `${bold(name)} ${commit.slice(0, 8)}`;
  const by = author === undefined ? '' : `${escapeLine(author, 60)}, `;
  const when = dim(`${by}${duration(Math.max(0, look.now - submittedAt))} ago`);
  const what = subject === undefined ? [] : [escapeLine(subject, 200)];
  const whole = [head, ...what, when].join('  ');
  if (what.length === 0 || textWidth(whole) <= look.width) return fitted(whole, look);
  return [...fitted(`${head}  ${when}`, look), ...fitted(`  ${what}`, look)];
}

const fitted = (line: string, { width, breaks }: Look): string[] => (breaks ? laid(line, width) : [line]);

/** State, run, name, time of its builds, and the artifact where there is one. */
function cellsOf(job: RunSummary, now: number): string[] {
  const { state, alarm } = accountOf(job);
  const signed = job.cosigned === false ? ' *' : '';
  return [
    `${alarm ? 'ALARM ' : ''}${state}${signed}`,
    shortRun(job.run),
    `${job.name}${job.test === true ? ' (test)' : ''}`,
    timeOf(job, now),
    job.artifact === null ? '' : shortId(job.artifact),
  ];
}

/** How long the builds took, or go on. */
function timeOf({ startedAt, tookMs, doneMs }: RunSummary, now: number): string {
  if (tookMs !== undefined) return `in ${duration(tookMs)}`;
  if (startedAt === undefined || doneMs !== undefined) return '';
  return `for ${duration(Math.max(0, now - startedAt))}`;
}

function jobLine(job: RunSummary, row: string[], look: Look): string[] {
  const { state, reason, alarm } = accountOf(job);
  const [stated = '', ...rest] = row;
  const paint = paintOf(state, alarm, look.colours);
  const cells = rest.filter((cell) => cell.trim() !== '');
  const fits = table([[stated, ...cells]], { ...look, indent: '  ' });
  // Columns that leave no room for the last cell are of no use.
  const lines =
    fits.length === 1
      ? fits
      : table([[stated, ...cells.map((cell) => cell.trimEnd())]], { ...look, indent: '  ' });
  const [first = '', ...more] = lines.map((line) => line.trimEnd());
  const painted = first.replace(
    stated,
    () => paint(stated.trimEnd()) + stated.slice(stated.trimEnd().length),
  );
  const why =
    plain.has(state) || reason === '' ? [] : fitted(`      ${escapeLine(reason, reasonCharsMax)}`, look);
  return [painted, ...more, ...why];
}

/** A state; of a level also whether its evidence was verified here, or only a controller says it. */
export const toldState = (state: string, isVerified = false): string =>
  state === 'agreed' || state === 'trusted' || state === 'failed'
    ? `${state} (${isVerified ? '' : 'un'}verified)`
    : state;

/** Words for the level of evidence that peers gave, as it was verified here. */
export const peersLevel = (level: string): string =>
  level === 'none' ? 'without evidence that holds' : toldState(level, true);

/** The last line of an answer in which nothing is proven. */
export const wordOnly =
  "These are the controller's words, which this command does not verify: quorate fetch does.";

export function paintOf(state: RunState, alarm: boolean, colours: Colours): (text: string) => string {
  const { green, red, yellow } = colours;
  if (alarm) return red;
  if (state === 'waiting' || state === 'building' || state === 'sealed') return String;
  if (state === 'trusted') return green;
  return state === 'agreed' || state === 'provisional' || state === 'cancelled' ? yellow : red;
}
