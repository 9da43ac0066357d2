import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { type AnyTarget, Broken, type Input, msMax, sizeMax } from './target.ts';

/** A message may quote its input, but not all of it: it goes into logs and over the wire. */
const messageCharsMax = 4000;
/** A wait that nothing ends is as bad as a loop. Beside the processor time of the target, five times for a busy machine. */
const waitMsMax = 10_000;
/** An input that takes too long is tried again: the first time may have paid for compiling, or for somebody's garbage. */
const triesMax = 4;

const root = join(import.meta.dirname, '../..');
const tables = globSync('{src,sandbox,bootstrap}/**/error-codes.ts', { cwd: root });
const declared = new Set(
  tables.flatMap((path) =>
    [...readFileSync(join(root, path), 'utf8').matchAll(/^ {2}([A-Z0-9_]+):/gm)].map(([, code = '']) => code),
  ),
);

/** The outcome of one input: `taken`, the code it was refused with, or a finding, which begins with `!`. */
export async function judge(target: AnyTarget, input: Input): Promise<string> {
  let best = Number.POSITIVE_INFINITY;
  let outcome = '';
  const most = (target.msMax ?? msMax) * Math.max(1, sizeOf(input) / sizeMax);
  for (let tries = 0; tries < triesMax; tries += 1) {
    const before = process.threadCpuUsage();
    outcome = await outcomeOf(target, input);
    const { user, system } = process.threadCpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
    if (best <= most || outcome.startsWith('!')) return outcome;
  }
  return `! took ${Math.round(best)} ms of processor time; at most ${Math.round(most)} are right (${outcome})`;
}

function sizeOf(input: Input): number {
  if (input instanceof Uint8Array) return input.length;
  return Buffer.byteLength(typeof input === 'string' ? input : JSON.stringify(input));
}

async function outcomeOf(target: AnyTarget, input: Input): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = target.run(input);
    const waitMs = waitMsMax + 5 * (target.msMax ?? msMax);
    if (result instanceof Promise) {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Broken(`no answer after ${waitMs / 1000} s`)), waitMs);
      });
      await Promise.race([result, late]);
    }
    return 'taken';
  } catch (error) {
    return refusal(error);
  } finally {
    clearTimeout(timer);
  }
}

function refusal(error: unknown): string {
  if (!(error instanceof QuorateError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return error instanceof Broken ? `! ${error.message}` : `! not a coded error: ${text.slice(0, 1500)}`;
  }
  if (!declared.has(error.code)) return `! the code ${error.code.slice(0, 100)} is in no list`;
  if (error.message.length > messageCharsMax)
    return `! ${error.code} has a message of ${error.message.length} characters`;
  return error.code;
}
