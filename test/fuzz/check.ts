import fc from 'fast-check';
import { judge } from './judge.ts';
import { type AnyTarget, type Input, written } from './target.ts';

export interface Checked {
  /** How many inputs had which outcome: `taken`, or a code. */
  outcomes: Record<string, number>;
  inputs: number;
  finding?: Finding | undefined;
}

export interface Finding {
  what: string;
  /** The smallest input found that does it, as `--input` takes it. */
  input: string;
  /** Of fast-check: with the seed it leads to that input at once. */
  path: string;
}

export interface CheckOptions {
  seed: number;
  msMax: number;
  inputsMax?: number;
  path?: string | undefined;
  /** Told of each input before it is decoded. */
  before?: (input: Input) => void;
  /** May find what no single input shows: the process has grown too large. */
  after?: () => Promise<string | undefined>;
}

/** Making a finding small takes no longer than this. */
const shrinkMsMax = 10_000;

/** Feeds one target its own seeds, then what follows from `seed`, and makes what breaks it as small as it can. */
export async function check(target: AnyTarget, options: CheckOptions): Promise<Checked> {
  const { seed, msMax, inputsMax = 10_000_000, path = '', before, after } = options;
  const checked: Checked = { outcomes: {}, inputs: 0 };
  const look = async (input: Input): Promise<string | undefined> => {
    before?.(input);
    checked.inputs += 1;
    const outcome = await judge(target, input);
    if (outcome.startsWith('!')) return outcome.slice(2);
    checked.outcomes[outcome] = (checked.outcomes[outcome] ?? 0) + 1;
    return after?.();
  };
  const seeds = await target.seeds();
  for (const input of path === '' ? seeds : []) {
    const what = await look(input);
    const refused = what === undefined && checked.outcomes.taken !== checked.inputs;
    if (what === undefined && !refused) continue;
    const why = what ?? `a valid input is refused: ${Object.keys(checked.outcomes).join(', ')}`;
    return { ...checked, finding: { what: why, input: written(input), path: '' } };
  }
  let looked: Promise<string | undefined> = Promise.resolve(undefined);
  const property = fc.asyncProperty(target.arbitrary(seeds), async (input) => {
    looked = look(input);
    const what = await looked;
    if (what !== undefined) throw new Error(what);
  });
  const run = async (from: string, ms: number): Promise<Finding | undefined> => {
    const result = await fc.check(property, {
      seed,
      path: from,
      numRuns: inputsMax,
      interruptAfterTimeLimit: ms,
      markInterruptAsFailure: false,
    });
    // At the end of the time an input may still be looked at: what the target has opened is closed after that.
    await looked;
    if (!result.failed || result.counterexample === null) return undefined;
    const [input] = result.counterexample;
    const { errorInstance: error } = result;
    const what = error instanceof Error ? error.message : String(error);
    return { what, input: written(input), path: result.counterexamplePath ?? '' };
  };
  const finding = await run(path, path === '' ? msMax : shrinkMsMax);
  // The time for looking ends the making small too, so that goes on from where it was.
  const smaller = finding === undefined || path !== '' ? undefined : await run(finding.path, shrinkMsMax);
  return { ...checked, finding: smaller ?? finding };
}
