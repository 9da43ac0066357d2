import { createHash, type Hash } from 'node:crypto';
import type { Client } from '../../member/client.ts';
import { lookedAt } from '../../member/commands/alarms.ts';
import { withClient } from '../../member/commands/project-client.ts';
import { accountOf, firstOfMost } from '../../protocol/account/index.ts';
import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import type { ComparedResult, Progress } from '../../protocol/wire/progress.ts';
import type { Context } from '../../terminal/context.ts';
import { counted, shortId, shortRun } from '../../terminal/format.ts';
import type { CompareOptions, PartGiven } from './comparison-report.ts';
import { differingFilesText } from './progress.ts';
import { pairTexts, sideBySide } from './side-by-side.ts';

type Compared = Extract<Progress, { kind: 'compared' }>;

/** Results that are compared with the one that most builds came to. */
const othersMax = 3;
/** Characters of a log that are kept for its lines; the digest is of all of them. */
const logCharsMax = 1024 * 1024;
/** Columns of two logs together, on a terminal however wide. */
const widthMax = 200;

interface ResultGroup {
  result: string;
  /** CID of the tree that they made; null where there is none. */
  tree: string | null;
  builds: ComparedResult[];
}

/**
 * `quorate diff <run>`: prints who came to which result of a disputed run and on what, and how logs and trees of the others differ from those
 * of most. @throws {QuorateError} `DIFF_NO_DISPUTE`
 */
export async function compareRun(context: Context, which: string, options: CompareOptions): Promise<boolean> {
  await withClient(context, options.project, async (client) => {
    const { summary, history } = await client.show(which);
    const compared = comparedIn(history.map(({ progress }) => progress));
    if (compared === undefined) throw noDispute(summary.run, summary.state);
    const { files, count } = compared;
    if (count > 0) context.out.say(context.out.colours.yellow(differingFilesText(files, count)));
    await sayDispute(context, client, summary.run, compared, options);
    if (accountOf(summary).alarm) await lookedAt(context, client, summary.run);
  });
  return true;
}

const comparedIn = (history: readonly Progress[]): Compared | undefined =>
  history.findLast((progress) => progress.kind === 'compared');

function noDispute(run: string, state: string): QuorateError {
  const isOver = state === 'done' || state === 'cancelled';
  return new QuorateError(
    'DIFF_NO_DISPUTE',
    isOver
      ? `the results of run ${shortRun(run)} are in no dispute`
      : `run ${shortRun(run)} goes on: its results are compared once no further round can open`,
    { hint: `quorate show ${shortRun(run)} tells what came of it. Two artifacts: quorate diff <a> <b>` },
  );
}

/** Prints the comparison, without the names of files, which the run tells. What cannot be had, such as a tree that nobody serves, is noted. */
export async function sayDispute(
  context: Context,
  client: Pick<Client, 'logs'>,
  run: string,
  compared: Compared,
  options: CompareOptions,
): Promise<void> {
  const { out, signal } = context;
  const [most, ...others] = groupsOf(compared.results);
  if (most === undefined) return;
  const groups = [most, ...others];
  sayGroups(context, groups);
  const logs = await logsOf(client, run, groups.slice(0, 1 + othersMax), signal).catch((error: unknown) => {
    signal.throwIfAborted();
    out.note(`The logs could not be read: ${escapeLine(messageOf(error), 300)}`);
    return new Map<ComparedResult, LogOfBuild>();
  });
  for (const [at, other] of others.slice(0, othersMax).entries()) {
    const names = ['a', letterOf(at + 1)] as const;
    const [left, right] = [most, other].map(({ builds: [build] }) => build && logs.get(build));
    sayLogs(context, names, left, right);
    if (most.tree === null || other.tree === null || most.tree === other.tree) continue;
    out.say(`Files of a and ${names[1]}${names[1] === 'b' ? '' : ' (shown as b)'}:`);
    const part = (cid: string): PartGiven => ({ asked: { kind: 'artifact', cid }, path: '', name: '' });
    const { compareSides } = await import('./comparison-report.ts');
    await compareSides(context, [part(most.tree), part(other.tree)], options).catch((error: unknown) => {
      signal.throwIfAborted();
      out.note(`They cannot be compared: ${escapeLine(messageOf(error), 300)}`);
    });
  }
  if (others.length > othersMax)
    out.say(`${counted(others.length - othersMax, 'further result')} not compared: quorate diff <a> <b>`);
}

/** Results with their builds, in the order of `firstOfMost`. */
export function groupsOf(results: readonly ComparedResult[]): ResultGroup[] {
  const groups = new Map<string, ResultGroup>();
  for (const build of results) {
    const { result, reports } = build;
    const key = `${result} ${reports ?? ''}`;
    const known = groups.get(key);
    const tree = reports ?? (result.startsWith('baf') ? result : null);
    if (known === undefined) groups.set(key, { result, tree, builds: [build] });
    else known.builds.push(build);
  }
  const order = firstOfMost(
    results.map(({ result, reports, slot }) => ({ result: `${result} ${reports ?? ''}`, slot })),
  );
  return order.flatMap((key) => groups.get(key) ?? []);
}

const letterOf = (at: number): string => String.fromCharCode('a'.charCodeAt(0) + Math.min(at, 25));

/** Sentences on what differed between the workers of a result and those of another, as their receipts say it. */
export function workerDifferences(groups: readonly ResultGroup[]): string[] {
  const traits = { tier: 'tier', kernel: 'kernel', processor: 'processor' } as const;
  return Object.entries(traits).flatMap(([trait, name]) => {
    const of = (group: ResultGroup) =>
      new Set(group.builds.map((build) => build[trait as keyof typeof traits]));
    const each = groups.map(of);
    const all = new Set(each.flatMap((values) => [...values]));
    if (all.size < 2) return [];
    const apart = each.every((values, at) =>
      each.every((others, n) => n === at || [...values].every((value) => !others.has(value))),
    );
    return [apart ? `${name}: another for each result` : `${name}: differs, also among those who agree`];
  });
}

function sayGroups({ out }: Context, groups: readonly ResultGroup[]): void {
  const { bold, dim } = out.colours;
  const workers = workerDifferences(groups);
  const results = groups.map(({ result, tree, builds }, at) => ({
    name: letterOf(at),
    result,
    tree,
    builds,
  }));
  out.value({ event: 'results', results, workers });
  // A vote is the list of files with their hashes too.
  const isSameTree = groups.length === 1;
  const differs = isSameTree ? 'The same tree, with other files or hashes listed' : 'Results that differ';
  out.say(bold(`${differs}, as the controller tells:`));
  const rows = groups.flatMap(({ result, builds }, at) =>
    builds.map((build, n) => [
      n === 0 ? letterOf(at) : '',
      n === 0 ? (result.startsWith('baf') ? shortId(result) : escapeLine(result, 80)) : '',
      `${build.operator}${build.slot === 'trusted' ? ' (trusted worker)' : ''}, round ${build.round}`,
      escapeLine([build.tier, build.kernel, build.processor].filter(Boolean).join(', '), 200),
    ]),
  );
  out.table(rows, '  ');
  const alike =
    'nothing that their receipts say; what the build itself depends on is found by quorate try --vary';
  const says = workers.length === 0 ? alike : workers.join('; ');
  out.say(dim(`What differed between the workers: ${says}`));
}

interface LogOfBuild {
  /** The last ones, escaped. */
  lines: string[];
  /** sha256 of all of it: of what no line shows too. */
  digest: string;
}

function sayLogs(
  { out }: Context,
  [a, b]: readonly [string, string],
  one?: LogOfBuild,
  other?: LogOfBuild,
): void {
  if (one === undefined || other === undefined) return;
  const pairs = pairTexts(one.lines, other.lines);
  const shown = pairs.filter((pair) => pair.a !== pair.b);
  const differs = one.digest !== other.digest;
  out.value({ event: 'logs', a, b, differs, lines: shown });
  if (!differs) return out.say(`The logs of ${a} and ${b} are alike.`);
  if (shown.length === 0)
    return out.say(
      `The logs of ${a} and ${b} differ, but not at their ends, which are compared here: quorate logs prints all of them`,
    );
  const rows = sideBySide(pairs, out.isTerminal ? Math.min(out.width - 2, widthMax) : widthMax);
  out.say(`Logs of ${a} and ${b}:`);
  out.print(...rows.map((row) => `  ${row}`));
}

/** The log of one build of each result. */
async function logsOf(
  client: Pick<Client, 'logs'>,
  run: string,
  groups: readonly ResultGroup[],
  signal: AbortSignal,
): Promise<Map<ComparedResult, LogOfBuild>> {
  const wanted = new Map(
    groups.flatMap(({ builds: [build] }) =>
      build === undefined ? [] : [[`${build.worker} ${build.slot}`, build]],
    ),
  );
  const texts = new Map<ComparedResult, { end: string; hash: Hash }>();
  for await (const { worker, slot, text } of client.logs(run, { follow: false, signal })) {
    const build = wanted.get(`${worker} ${slot}`);
    if (build === undefined) continue;
    const { end, hash } = texts.get(build) ?? { end: '', hash: createHash('sha256') };
    texts.set(build, { end: `${end}${text}`.slice(-logCharsMax), hash: hash.update(text, 'utf16le') });
  }
  return new Map(
    [...texts].map(([build, { end, hash }]) => {
      const lines = new LineEscaper();
      return [build, { lines: [...lines.push(end), ...lines.end()], digest: hash.digest('hex') }];
    }),
  );
}
