import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { groupPrefix } from '../../../../sandbox/cgroups/leftovers.ts';
import {
  type CgroupParent,
  findCgroupParents,
  readHierarchies,
} from '../../../../sandbox/cgroups/parents.ts';
import type { Sandbox, SandboxJob } from '../../../../sandbox/index.ts';
import { type TierBackend, TierSandbox } from '../../../../sandbox/run/tier.ts';
import {
  exited,
  holdsWithin,
  type Play,
  play,
  type Ran,
  tarOf,
  tempFolder,
} from '../../../sandbox/support.ts';

/** Guards that can be taken away for a control run. A tier has those that it is made of. */
export type Guard =
  /** More than the job may have: half a GiB, all that the processor gives, a few hundred. */
  | 'memory'
  | 'cpu'
  | 'processes'
  /** v1's bound of what lies in sockets. */
  | 'sockets'
  | 'time'
  | 'disk'
  /** The size of the file that a disk beyond memory is in. */
  | 'disk file'
  | 'output size'
  | 'open files'
  | 'core dumps'
  | 'hidden files'
  | 'account'
  | 'call filter'
  | 'nested namespaces'
  | 'call filter and nested namespaces'
  | 'driver’s privilege';

export interface TierUnderAttack {
  readonly name: string;
  /** Which kernel a build calls. In a guest the same guards stand between the two as on the host. */
  readonly kernel: 'host' | 'guest' | 'gVisor';
  /** Memory that the guard of the job's memory allows the tier itself, besides the job. */
  readonly ownMiB: number;
  /** Devices that a kernel of the build's own shows, which are not the host's. */
  readonly ownDevices: readonly string[];
  /** How much slower a step that is all system calls is: such attacks are that much smaller. */
  readonly slower: number;
  /** Factor on a job's seconds before it is ended. */
  readonly timeFactor: number;
  /** Whether a program of its own, `cat`, copies the log: where there is no native first process, which does it itself. */
  readonly hasCopier: boolean;
  /** Of a processor: less of it, and the tier itself would hardly start. */
  readonly leastCpus: number;
  /** As the product makes it, or without one guard; undefined where the tier has no such guard to take away. */
  driver(without?: Guard): TierBackend | undefined;
  /** A folder of the host's, shown at /host. */
  showing(folder: string): TierBackend | undefined;
  readonly image?: SandboxJob['image'];
}

/** Of an attack that time is not what ends; and of a test, which has a few of them. A machine may be busy. */
const STEP_SECONDS = 60;
const TEST_MS = { host: 120_000, gVisor: 120_000, guest: 300_000 };

const source = join(import.meta.dirname, 'attacker.c');
const compile = promisify(execFile);

/** One tier, set up for attacks in this file's tests; after them it must build the next job. */
export class Arena {
  readonly tier: TierUnderAttack;
  #folder = '';
  #program: Buffer = Buffer.alloc(0);
  #parents: readonly CgroupParent[] = [];

  constructor(tier: TierUnderAttack) {
    this.tier = tier;
    const ms = TEST_MS[tier.kernel];
    vi.setConfig({ testTimeout: ms, hookTimeout: ms });
    let remove = async (): Promise<void> => {};
    beforeAll(async () => {
      const folder = await tempFolder();
      remove = folder.remove;
      this.#folder = folder.path;
      this.#parents = findCgroupParents(readHierarchies()).parents;
      const program = join(folder.path, 'attacker');
      await compile('gcc', ['-static', '-O1', '-pthread', '-o', program, source]);
      this.#program = await readFile(program);
    });
    afterAll(() => remove());
    // Each attack is the next job of the one before.
    afterAll(() => this.#buildsTheNext());
    afterEach(() => this.#leavesNothing());
  }

  /** A folder of the worker's own. */
  get folder(): string {
    return this.#folder;
  }

  /** The product. The attacker's program is in the source: `./attacker`. */
  play(run: string[], options: Play = {}): Promise<Ran> {
    return this.#play(this.tier.driver(), run, options);
  }

  /** The control run, where this tier is made of that guard. */
  async without(guard: Guard, run: string[], options: Play, succeeds: (ran: Ran) => void): Promise<void> {
    const driver = this.tier.driver(guard);
    if (driver !== undefined) succeeds(await this.#play(driver, run, options));
  }

  /** An attack and its control at once; one after the other where the tier brings a kernel, which takes the processor. */
  async beside(attack: () => Promise<void>, control: () => Promise<void>): Promise<void> {
    if (this.tier.kernel === 'host') return void (await Promise.all([attack(), control()]));
    await attack();
    await control();
  }

  /** The control run that sees a folder of the host's. */
  async showing(folder: string, run: string[], succeeds: (ran: Ran) => void): Promise<void> {
    const driver = this.tier.showing(folder);
    if (driver !== undefined) succeeds(await this.#play(driver, run, {}));
  }

  /** Resolves once all jobs are frozen, in the words of either version of control groups. */
  async standsStill(): Promise<void> {
    const notes = join(this.#folder, 'notes');
    const isFrozen = async (directory: string): Promise<boolean> => {
      const read = (name: string) => readFile(join(directory, name), 'utf8').catch(() => '');
      return (
        (await read('freezer.state')).trim() === 'FROZEN' || /^frozen 1$/m.test(await read('cgroup.events'))
      );
    };
    const frozen = await holdsWithin(120_000, async () => {
      const jobs = (await readdir(notes)).filter((name) => name.endsWith('.json'));
      for (const job of jobs) {
        const { directories } = JSON.parse(await readFile(join(notes, job), 'utf8'));
        if (!(await Promise.all(directories.map(isFrozen))).includes(true)) return false;
      }
      return true;
    });
    expect(frozen).toBe(true);
  }

  /** How many periods the jobs that run now have waited out, having used up their share of the processor. */
  processorWaits(): number {
    const notes = join(this.#folder, 'notes');
    const jobs = readdirSync(notes).filter((name) => name.endsWith('.json'));
    const files = jobs
      .flatMap((job): string[] => JSON.parse(readFileSync(join(notes, job), 'utf8')).directories)
      .map((directory) => join(directory, 'cpu.stat'));
    const counts = files
      .filter(existsSync)
      .map((file) => Number(/^nr_throttled (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1]));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Those on the host that belong to jobs of this process, in groups of one of the hierarchies. */
  async hostProcesses(): Promise<number[]> {
    for (const { path } of this.#parents) {
      const ours = (await readdir(path)).filter((name) => name.startsWith(`${groupPrefix}${process.pid}-`));
      const listed = ours.map((name) => readFile(join(path, name, 'cgroup.procs'), 'utf8').catch(() => ''));
      const pids = (await Promise.all(listed)).join('\n').split('\n').filter(Boolean);
      if (pids.length > 0) return pids.map(Number);
    }
    return [];
  }

  /** One value of each process of a job that is running, from its `/proc/<pid>/<file>`. */
  async ofHostProcesses(file: string, value: RegExp, driver = this.tier.driver()): Promise<Set<number>> {
    const stop = new AbortController();
    const values = new Set<number>();
    const look = async () => {
      for (const pid of await this.hostProcesses()) {
        const text = await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
        const found = value.exec(text)?.[1];
        if (found !== undefined) values.add(Number(found));
      }
      stop.abort();
    };
    await this.playOn(this.sandbox(driver), ['sleep 60 & echo go; wait'], {
      signal: stop.signal,
      onLog: () => void look(),
    });
    return values;
  }

  sandbox(driver = this.tier.driver()): TierSandbox {
    if (driver === undefined) throw new Error(`no ${this.tier.name}`);
    return new TierSandbox(driver, { parents: this.#parents, recordsDir: join(this.#folder, 'notes') });
  }

  #play(driver: TierBackend | undefined, run: string[], options: Play): Promise<Ran> {
    return this.playOn(this.sandbox(driver), run, options);
  }

  playOn(sandbox: Sandbox, run: string[], options: Play): Promise<Ran> {
    const attacker = { name: 'attacker', content: this.#program, mode: 0o755 };
    const image = this.tier.image ?? 'host';
    const limits = { seconds: STEP_SECONDS / this.tier.timeFactor, ...options.limits };
    return play(sandbox, run, { source: tarOf([attacker]), image, ...options, limits });
  }

  async #buildsTheNext(): Promise<void> {
    const next = await this.play(['echo next | tee $OUT/made'], { outputs: ['made'] });
    expect(next).toMatchObject({ outcome: exited(0), log: 'next\n' });
    expect(next.outputs.map(({ text }) => text)).toEqual(['next\n']);
    await this.#leavesNothing();
  }

  async #leavesNothing(): Promise<void> {
    expect(await readdir(join(this.#folder, 'notes'))).toEqual([]);
    for (const { path } of this.#parents) {
      const ours = (name: string) => name.startsWith(`${groupPrefix}${process.pid}-`);
      expect((await readdir(path)).filter(ours)).toEqual([]);
    }
  }
}

/** The attacker's program's report: `done`, or the number of the error. */
export function told({ log }: Ran): Record<string, string> {
  return Object.fromEntries(
    [...log.matchAll(/^(.+) (done|\d+)$/gm)].map(([, what = '', result = '']) => [what, result]),
  );
}

export const succeeded = (ran: Ran): string[] =>
  Object.entries(told(ran)).flatMap(([what, result]) => (result === 'done' ? [what] : []));
