import { relative } from 'node:path';
import { ProbesShown } from '../../execution/probe-progress.ts';
import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import { sizeTexts } from '../../protocol/base/quantity.ts';
import type { FirstDifference } from '../../store/file-diff.ts';
import type { TreeEntry } from '../../store/index.ts';
import type { Difference } from '../../store/tree-diff.ts';
import type { Context } from '../../terminal/context.ts';
import { bytes, counted } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { type Compared, choose, compareChosen } from '../comparison/compare.ts';
import type { DiffoscopeTier, FilePair, PackedPairs } from '../comparison/diffoscope.ts';
import {
  type Member,
  type MemberDifference,
  type Normalisation,
  normalisations,
} from '../comparison/listing.ts';
import { type Side, type SideAsked, withSides } from '../comparison/sides.ts';
import { peersLevel } from './job-list.ts';
import { storesHere, trialProject } from './trial-project.ts';

export interface CompareOptions {
  diffoscope: boolean;
  tier: DiffoscopeTier;
  project?: string | undefined;
}

/** Differences, and of each archive members, that are printed as text; the rest are counted. --json prints all. */
const shownMax = 100;
const nameCharsMax = 300;

type CompareResult = 'same' | 'normalised' | 'different';

/** A side, the path within it, and the name of its file. */
export interface PartGiven {
  asked: SideAsked;
  path: string;
  name: string;
}

interface Totals {
  count: Record<Exclude<CompareResult, 'same'>, number>;
  changes: Record<Compared['change'], number>;
  normalisations: Set<Normalisation>;
  pairs: FilePair[];
}

/** Prints whether two sides are the same, in what they differ, and what diffoscope says of their files if that is asked for. */
export async function compareSides(
  context: Context,
  [left, right]: readonly [PartGiven, PartGiven],
  options: CompareOptions,
): Promise<CompareResult> {
  const { cwd, out, signal } = context;
  const board = out.board();
  const sides = {
    asked: [left.asked, right.asked] as const,
    stores: await storesHere(context, cwd),
    signal,
    project: () => trialProject(context, cwd, options.project),
    onStep: (says: string) => {
      if (board.live) board.set('step', { text: escapeLine(says, nameCharsMax) });
    },
  };
  const totals: Totals = {
    count: { normalised: 0, different: 0 },
    changes: { added: 0, removed: 0, changed: 0 },
    normalisations: new Set(),
    pairs: [],
  };
  const packed = await withSides(sides, async (a, b): Promise<PackedPairs | undefined> => {
    board.erase();
    saySides(context, { a, b }, { a: left.asked, b: right.asked });
    const [one, other] = await choose({ ...left, side: a }, { ...right, side: b });
    let shown = 0;
    // Once a difference is known, files that are not shown have no part in the answer.
    const isWanted = () => out.json || shown < shownMax || totals.count.different === 0;
    for await (const compared of compareChosen(one, other, { signal, isWanted })) {
      shown += 1;
      if (out.json || shown <= shownMax) sayCompared(out, compared, one.entry.path);
      take(totals, compared, one.entry.path);
    }
    if (shown > shownMax) out.say(`and ${shown - shownMax} more; --json lists all`);
    if (!options.diffoscope || totals.pairs.length === 0) return undefined;
    return packedFiles(out, one.side, other.side, totals.pairs, signal);
  }).finally(() => board.erase());
  if (packed !== undefined) await lookCloser(context, packed, options.tier);
  return sayResult(out, totals);
}

function resultOf({ a, b, first, files }: Compared): Exclude<CompareResult, 'same'> {
  const isSameMode = first !== undefined && (a?.path === '' || a?.executable === b?.executable);
  return isSameMode && files?.result === 'normalised' ? 'normalised' : 'different';
}

/** @param path of a single file that is compared */
function take(totals: Totals, compared: Compared, path: string): void {
  const result = resultOf(compared);
  totals.count[result] += 1;
  totals.changes[compared.change] += 1;
  const { a, b, first, files } = compared;
  if (result === 'normalised') for (const one of files?.normalisations ?? []) totals.normalisations.add(one);
  if (a === undefined || b === undefined || first === undefined || result === 'normalised') return;
  const named = a.path || path || 'file';
  totals.pairs.push({ a: { ...a, path: named }, b: { ...b, path: named } });
}

function sayCompared(out: Output, compared: Compared, path: string): void {
  const { a, b, first, files } = compared;
  const result = resultOf(compared);
  const { path: own, change } = compared;
  const difference = { path: own || path, change, a: entryValue(a), b: entryValue(b), first: hexOf(first) };
  // The events of both names of the command.
  out.value({ event: 'difference', ...difference });
  out.value({
    event: 'compared',
    ...difference,
    result,
    normalisations: files?.normalisations ?? [],
    within: files?.within ?? null,
    reasons: files?.reasons ?? [],
    members: (files?.members ?? []).map(memberValue),
  });
  out.print(...linesOf(out, { ...compared, path: compared.path || path }, first));
  if (files === undefined) return;
  const { within, members, reasons } = files;
  if (within !== undefined)
    out.say(`  the ${within.format} within is the same: ${bytes(within.bytes)}, sha256 ${within.sha256}`);
  if (files.result === 'normalised')
    out.say(...files.normalisations.map((one) => `  differs in ${normalisations[one]}`));
  out.say(...reasons.map((reason) => `  ${escapeLine(reason, nameCharsMax * 2)}`));
  out.say(...members.slice(0, shownMax).map((one) => `  ${memberLine(one)}`));
  if (members.length > shownMax) out.say(`  and ${members.length - shownMax} more members; --json lists all`);
}

function memberValue({ path, a, b, fields }: MemberDifference) {
  const side = (member: Member | undefined) => {
    if (member === undefined) return null;
    const { kind, size, sha256, mode, target = null } = member;
    return { kind, size, sha256, mode, target };
  };
  return { path, change: changeOf({ a, b }), fields, a: side(a), b: side(b) };
}

const changeOf = ({ a, b }: Pick<MemberDifference, 'a' | 'b'>): 'added' | 'removed' | 'changed' =>
  a === undefined ? 'added' : b === undefined ? 'removed' : 'changed';

function memberLine({ path, a, b, fields }: MemberDifference): string {
  const head = `member ${escapeLine(path, nameCharsMax)}: ${changeOf({ a, b })}`;
  if (a === undefined || b === undefined) return `${head}, ${memberText(a ?? b)}`;
  const says = fields.map((field) => {
    if (field === 'mode') return `mode ${a.mode.toString(8)} → ${b.mode.toString(8)}`;
    if (field === 'kind') return `${a.kind} → ${b.kind}`;
    if (field === 'target')
      return `target ${escapeLine(a.target ?? 'none', nameCharsMax)} → ${escapeLine(b.target ?? 'none', nameCharsMax)}`;
    if (field === 'content' && a.size !== b.size) return `${bytes(a.size)} → ${bytes(b.size)}`;
    return field === 'metadata' ? 'metadata, such as its owner' : 'content';
  });
  return `${head}: ${says.join(', ')}`;
}

const memberText = (member: Member | undefined): string =>
  member?.kind === 'file' ? `file, ${bytes(member.size)}` : (member?.kind ?? '');

function sayResult(out: Output, { count, changes, normalisations: found }: Totals): CompareResult {
  const result = count.different > 0 ? 'different' : count.normalised > 0 ? 'normalised' : 'same';
  const names = (Object.keys(normalisations) as Normalisation[]).filter((one) => found.has(one));
  out.value({ event: 'compare', result, normalisations: result === 'normalised' ? names : [], ...count });
  out.value({ event: 'diff', differs: result !== 'same', ...changes });
  const { green, red, yellow } = out.colours;
  if (result === 'same') out.say(green('The same.'));
  const { added, removed, changed } = changes;
  if (result === 'different')
    out.say(red('Different.'), `${added} added, ${removed} removed, ${changed} changed`);
  if (result === 'normalised')
    out.say(
      yellow(`The bytes differ; the same but for ${names.map((one) => normalisations[one]).join(', ')}.`),
    );
  return result;
}

/** Reads the files that diffoscope is given; undefined where there is none, or no diffoscope. */
async function packedFiles(
  out: Output,
  a: Side,
  b: Side,
  pairs: readonly FilePair[],
  signal: AbortSignal,
): Promise<PackedPairs | undefined> {
  const { hasDiffoscope, packPairs } = await import('../comparison/diffoscope.ts');
  if (!hasDiffoscope()) {
    out.say(out.colours.dim('To look into these files: apt-get install -y diffoscope-minimal, and again.'));
    return undefined;
  }
  const packed = await packPairs(a.tree, b.tree, pairs, signal);
  if (packed.count < pairs.length)
    out.note(
      `diffoscope is given ${counted(packed.count, 'file')} of ${pairs.length}: the others are too many, or too large.`,
    );
  return packed.count === 0 ? undefined : packed;
}

function saySides(
  { cwd, out }: Context,
  { a, b }: { a: Side; b: Side },
  asked: { a: SideAsked; b: SideAsked },
): void {
  const value = ({ cid, from, level }: Side) => ({ cid, from, level });
  out.value({ event: 'sides', a: value(a), b: value(b) });
  const where = ({ from, level }: Side, of: SideAsked): string => {
    if (of.kind === 'artifact')
      return from === 'mesh' ? `from peers, ${peersLevel(level)}` : 'from this machine';
    const below = relative(cwd, of.path);
    return `the ${of.kind} ${escapeLine(/^(?:$|\.\.)/.test(below) ? of.path : below, nameCharsMax)}`;
  };
  out.say(
    out.colours.dim(`a ${out.id(a.cid)}, ${where(a, asked.a)}`),
    out.colours.dim(`b ${out.id(b.cid)}, ${where(b, asked.b)}`),
  );
}

/** Prints what diffoscope says of files. A failure is noted, and does not change the exit code. */
async function lookCloser(
  { home, out, signal }: Context,
  packed: PackedPairs,
  tier: DiffoscopeTier,
): Promise<void> {
  const { runDiffoscope } = await import('../comparison/diffoscope.ts');
  const probes = new ProbesShown(out);
  const lines = new LineEscaper();
  const decoder = new TextDecoder();
  const say = (all: string[]) => {
    probes.end();
    out.print(...all);
    for (const line of all) out.value({ event: 'diffoscope', line });
  };
  try {
    const lacking = await runDiffoscope({
      packed,
      tier,
      signal,
      stateDir: home,
      onProbe: probes.step,
      onOutput: (chunk) => say(lines.push(decoder.decode(chunk, { stream: true }))),
    });
    say([...lines.push(decoder.decode()), ...lines.end()]);
    if (lacking !== undefined) out.note(`What diffoscope says is not all: ${escapeLine(lacking, 300)}`);
  } catch (error) {
    signal.throwIfAborted();
    out.note(`diffoscope is not run: ${codeOf(error)}: ${escapeLine(messageOf(error), 300)}`);
    if (tier === 'gvisor' && codeOf(error) === 'SANDBOX_UNAVAILABLE')
      out.note(
        "Without gVisor: add --tier namespace. It shares this machine's kernel with what is compared.",
      );
  } finally {
    probes.end();
  }
}

function entryValue(entry: TreeEntry | undefined): Omit<TreeEntry, 'path'> | null {
  if (entry === undefined) return null;
  const { path: _, ...rest } = entry;
  return rest;
}

function hexOf(first: FirstDifference | undefined) {
  if (first === undefined) return null;
  const { offset, from, a, b } = first;
  return { offset, from, a: Buffer.from(a).toString('hex'), b: Buffer.from(b).toString('hex') };
}

function linesOf({ colours }: Output, { path, change, a, b }: Difference, first?: FirstDifference): string[] {
  const { green, red, yellow } = colours;
  const name = path === '' ? '.' : escapeLine(path, nameCharsMax);
  if (a === undefined) return [`${green(change)}   ${name}: ${textOf(b)}`];
  if (b === undefined) return [`${red(change)} ${name}: ${textOf(a)}`];
  const head = `${yellow(change)} ${name}: `;
  if (a.kind !== b.kind || a.kind === 'link') return [`${head}${textOf(a)} → ${textOf(b)}`];
  if (a.kind === 'dir') return [`${head}the same entries, encoded otherwise`];
  const [sizeA, sizeB] = sizeTexts(a.size, b.size);
  const says = [
    ...(a.size === b.size ? [] : [`${sizeA} → ${sizeB}`]),
    ...(a.executable === b.executable ? [] : [`${modeOf(a)} → ${modeOf(b)}`]),
    ...(first === undefined ? [] : [`bytes differ from offset ${first.offset} on`]),
  ];
  return [
    `${head}${says.length === 0 ? 'the same bytes, encoded otherwise' : says.join('; ')}`,
    ...(first === undefined ? [] : [hexLine('a', first.from, first.a), hexLine('b', first.from, first.b)]),
  ];
}

const modeOf = ({ executable }: TreeEntry): string => (executable ? 'executable' : 'not executable');

function textOf(entry: TreeEntry | undefined): string {
  if (entry?.kind === 'file') return `file, ${bytes(entry.size)}${entry.executable ? ', executable' : ''}`;
  if (entry?.kind === 'link') return `link to ${escapeLine(entry.target ?? '', nameCharsMax)}`;
  return 'folder';
}

/** `  a 00000404  7f 45 4c 46  .ELF`: offset, bytes, and those of them that are printable ASCII. */
function hexLine(side: 'a' | 'b', from: number, shown: Uint8Array): string {
  const hex = [...shown].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const ascii = [...shown].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  return `  ${side} ${from.toString(16).padStart(8, '0')}  ${hex.padEnd(16 * 3 - 1)}  ${ascii.join('')}`.trimEnd();
}
