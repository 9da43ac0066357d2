import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { matrices } from '../matrices.ts';
import { alone, clocks } from '../support/projects.ts';
import { root, type Source } from '../tidy/house/source.ts';
import { Copy, filesAt } from './copy.ts';
import type { Recorded } from './coverage.ts';
import { draw } from './draw.ts';
import { isEquivalent } from './equivalent.ts';
import { describe, type Mutation, mutationsOf } from './operators.ts';
import { closures, planFor, unrecorded } from './plan.ts';
import { report, type Tried } from './report.ts';
import { runTests } from './run-tests.ts';
import { type Outcome, Trials } from './trial.ts';

export interface MeasurementOrder {
  readonly commit: string;
  readonly seed: string;
  readonly folders: readonly string[];
  /** Mutations of each folder. */
  readonly count: number;
  readonly budgetMs: number;
  readonly jobs: number;
  /** Folders in which tests are looked for. */
  readonly tests: readonly string[];
}

/** A line of the file of results. */
interface Kept extends Outcome {
  readonly mutation: string;
  readonly budgetMs: number;
  /** Files of tests of which it was known what they execute. */
  readonly known: number;
}

const keptIn = join(root, 'node_modules', '.cache', 'quorate-mutate');
const say = (line: string) => process.stdout.write(`${line}\n`);
const idOf = ({ path, start, kind, with: replacement }: Mutation) =>
  `${path}:${start} ${kind} ${replacement}`;
/** Runs in browsers, which tests of matrices start. */
const ofBrowsers = (path: string) => path.startsWith('src/http/verify-page/browser/');
/** A file of tests that takes longer than this beside others, or hangs, is not waited for. */
const recordMsMax = 45 * 60_000;

/** Lines that were written whole; the last one may be cut off. */
function linesOf<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line): T => JSON.parse(line));
}

/** One commit, one seed: draws, learns what each test executes, tries, reports. Goes on where it was ended before. */
export class Measurement {
  readonly #order: MeasurementOrder;
  readonly #signal: AbortSignal;
  readonly #drawn = new Map<string, Mutation[]>();
  readonly #sources: Source[];
  readonly #results: string;
  readonly #record: string;

  constructor(order: MeasurementOrder, signal: AbortSignal) {
    this.#order = order;
    this.#signal = signal;
    const { commit, seed, folders, count } = order;
    this.#sources = filesAt(commit, ['src', 'sandbox']);
    for (const folder of folders) {
      const here = this.#sources.filter(({ path }) => path.startsWith(`${folder}/`) && !ofBrowsers(path));
      this.#drawn.set(folder, draw(seed, folder, here.flatMap(mutationsOf), count));
    }
    mkdirSync(keptIn, { recursive: true });
    this.#results = join(keptIn, `${commit}-${seed}.jsonl`);
    this.#record = join(keptIn, `${commit}-tests.jsonl`);
  }

  list(): void {
    for (const mutation of [...this.#drawn.values()].flat()) say(describe(mutation));
  }

  async run(): Promise<void> {
    const { commit, seed, jobs } = this.#order;
    say(`commit ${commit}, seed ${seed}; results in ${this.#results}`);
    const copies: Copy[] = [];
    try {
      for (let n = 0; n < jobs; n++) copies.push(new Copy(commit));
      await this.#learn(copies);
      await this.#tryAll(copies);
    } finally {
      for (const copy of copies) copy.remove();
      for (const line of report(this.#tried())) say(line);
    }
  }

  /** Runs each file of tests once and keeps what it executes. */
  async #learn(copies: readonly Copy[]): Promise<void> {
    const known = new Set([...linesOf<Recorded>(this.#record), ...unrecorded].map(({ path }) => path));
    const wanted = filesAt(this.#order.commit, this.#order.tests)
      .map(({ path }) => path)
      .filter((path) => path.endsWith('.test.ts') && !Object.hasOwn(matrices, path) && !known.has(path));
    const [copy] = copies;
    if (wanted.length === 0 || copy === undefined) return;
    say(`${wanted.length} files of tests run once, to learn what each of them executes`);
    const base = { programs: true, testMsMax: 300_000, record: this.#record };
    const own = [...alone, ...clocks].filter((path) => wanted.includes(path));
    const shared = wanted.filter((path) => !own.includes(path));
    const learn = (files: string[], workers: number) =>
      runTests(copy, { ...base, files, workers }, recordMsMax, this.#signal);
    if (shared.length > 0) await learn(shared, 2);
    for (const path of own) await learn([path], 1);
    const failed = linesOf<Recorded>(this.#record).filter(({ passed }) => !passed);
    for (const { path } of failed) say(`fails without a mutation, and is left out: ${path}`);
  }

  async #tryAll(copies: readonly Copy[]): Promise<void> {
    const { commit, budgetMs } = this.#order;
    const recorded = linesOf<Recorded>(this.#record);
    const tests = filesAt(commit, ['test', 'simulations', 'bootstrap', 'examples', 'bench']);
    const imports = closures([...tests, ...this.#sources]);
    const startsPrograms = (path: string) => imports(path).has('test/support/program.ts');
    const waiting = this.#waiting(recorded.length);
    const total = waiting.length;
    const work = async (copy: Copy): Promise<void> => {
      const trials = new Trials(copy, startsPrograms, this.#signal);
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const plan = planFor(next, recorded, this.#sources, imports, budgetMs);
        const outcome = await trials.try(next, plan);
        const kept: Kept = { mutation: idOf(next), budgetMs, known: recorded.length, ...outcome };
        appendFileSync(this.#results, `${JSON.stringify(kept)}\n`);
        const how = outcome.killed ? `killed by ${outcome.by}` : `SURVIVED ${outcome.tests}`;
        say(
          `${total - waiting.length}/${total} ${describe(next)}: ${how} (${(outcome.ms / 1000).toFixed(1)} s)`,
        );
      }
    };
    await Promise.all(copies.map(work));
  }

  #kept(): Map<string, Kept> {
    return new Map(linesOf<Kept>(this.#results).map((kept) => [kept.mutation, kept]));
  }

  /** The folders in turn, so that figures of a part are of all of them. A survivor is tried again with more tests. */
  #waiting(known: number): Mutation[] {
    const kept = this.#kept();
    const isKnown = (mutation: Mutation): boolean => {
      const before = kept.get(idOf(mutation));
      if (before === undefined) return false;
      const hadAll = before.left === 0 || before.budgetMs >= this.#order.budgetMs;
      return before.killed || (hadAll && before.known >= known);
    };
    const byFolder = [...this.#drawn.values()];
    const longest = Math.max(...byFolder.map(({ length }) => length));
    return Array.from({ length: longest }, (_, n) => byFolder.flatMap((drawn) => drawn.slice(n, n + 1)))
      .flat()
      .filter((mutation) => !isEquivalent(mutation) && !isKnown(mutation));
  }

  #tried(): Map<string, Tried[]> {
    const kept = this.#kept();
    const tried = (mutation: Mutation): Tried => ({
      mutation,
      equivalent: isEquivalent(mutation),
      outcome: kept.get(idOf(mutation)),
    });
    return new Map([...this.#drawn].map(([folder, drawn]) => [folder, drawn.map(tried)]));
  }
}
