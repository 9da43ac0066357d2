import { ProbesShown } from '../../execution/probe-progress.ts';
import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';
import type { Context } from '../../terminal/context.ts';
import { counted } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import type { DiffoscopeTier, FilePair, PackedPairs } from '../comparison/diffoscope.ts';
import type { Side } from '../comparison/sides.ts';

export interface CompareOptions {
  diffoscope: boolean;
  tier: DiffoscopeTier;
  project?: string | undefined;
}

/** Reads the files that diffoscope is given; undefined where there is none, or no diffoscope. */
export async function packedFiles(
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

/** Prints where both sides come from. */
export function saySides(out: Output, a: Side, b: Side): void {
  const value = ({ cid, from, level }: Side) => ({ cid, from, level });
  out.value({ event: 'sides', a: value(a), b: value(b) });
  for (const [name, { cid, from, level }] of Object.entries({ a, b })) {
    const where = {
      store: 'from this machine',
      folder: 'a folder',
      file: 'a file',
      mesh: `from peers, level ${level}`,
    }[from];
    out.say(out.colours.dim(`${name} ${cid}, ${where}`));
  }
}

/** Prints what diffoscope says of files. A failure is noted, and does not change the exit code. */
export async function lookCloser(
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
    out.say(...all);
    for (const line of all) out.value({ event: 'diffoscope', line });
  };
  try {
    const lacking = await runDiffoscope({
      ...{ packed, tier, signal },
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
