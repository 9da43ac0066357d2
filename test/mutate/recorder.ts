import { appendFileSync, chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Session } from 'node:inspector';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { RunnerTestFile } from 'vitest';
import Runner from '../support/runner.ts';
import { coveredOf, namedIn, type Recorded, type Script } from './coverage.ts';
import { readOrder } from './order.ts';

interface Taken {
  readonly result: readonly Script[];
}

/** One for all files of this process. */
const session = new Session();
let isOn = false;

const ask = (method: string, params: object = {}): Promise<unknown> =>
  new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => (error === null ? resolve(result) : reject(error)));
  });

/** Writes down, for each file of tests, how long it took, whether it passed, and what of the sources it executed. */
export default class Recorder extends Runner {
  #began = 0;
  /** Where Node writes what threads and other processes executed. */
  #elsewhere = '';

  /** Before the file is loaded: its tests may do much already then. */
  async onBeforeCollect(): Promise<void> {
    if (!isOn) {
      session.connect();
      await ask('Profiler.enable');
      await ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
      isOn = true;
    }
    this.#elsewhere = mkdtempSync(join(tmpdir(), 'v8-'));
    // Some of them run as other accounts.
    chmodSync(this.#elsewhere, 0o777);
    process.env.NODE_V8_COVERAGE = this.#elsewhere;
    // Counts begin at zero.
    await ask('Profiler.takePreciseCoverage');
    this.#began = performance.now();
  }

  override async onAfterRunFiles(files?: RunnerTestFile[]): Promise<void> {
    super.onAfterRunFiles(files);
    const ms = Math.round(performance.now() - this.#began);
    const taken = (await ask('Profiler.takePreciseCoverage')) as Taken;
    const { record } = readOrder();
    const [file] = files ?? [];
    if (file === undefined || record === undefined) return;
    const path = relative(this.config.root, file.filepath).split(sep).join('/');
    const recorded = { path, ms, passed: file.result?.state !== 'fail' };
    const written = this.#takeElsewhere();
    appendFileSync(record, `${JSON.stringify(this.#join(recorded, [taken, ...written]))}\n`);
  }

  #join(about: Pick<Recorded, 'path' | 'ms' | 'passed'>, all: readonly Taken[]): Recorded {
    const covers: Record<string, number[]> = {};
    const named: Record<string, string[]> = {};
    const root = `${pathToFileURL(this.config.root).href}/`;
    for (const { url, functions } of all.flatMap(({ result }) => result)) {
      if (!url.startsWith(root)) continue;
      const [name = ''] = url.slice(root.length).split('?');
      if (/^(src|sandbox)\/.*\.ts$/.test(name)) {
        const covered = coveredOf(functions);
        if (covered.length > 0) covers[name] = [...(covers[name] ?? []), ...covered];
      } else if (name.includes('/program/') && name.endsWith('.js')) {
        for (const [source, one] of namedIn(readFileSync(fileURLToPath(url), 'utf8'), functions))
          if (!named[source]?.includes(one)) named[source] = [...(named[source] ?? []), one];
      }
    }
    return { ...about, covers, named };
  }

  #takeElsewhere(): Taken[] {
    const taken = readdirSync(this.#elsewhere).flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(join(this.#elsewhere, name), 'utf8')) as Taken];
      } catch {
        // Its process was killed while it wrote.
        return [];
      }
    });
    rmSync(this.#elsewhere, { recursive: true, force: true });
    return taken;
  }
}
