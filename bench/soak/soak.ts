import { Cluster } from '../../test/e2e/support/cluster.ts';
import { program } from '../../test/e2e/support/jobs.ts';
import makeProgram from '../../test/support/make-program.ts';
import { memoryMb } from '../processes.ts';
import { median } from '../run.ts';

/** A membership lasts this long: every worker renews its own many times. */
const grants = '20s';
const volunteers = ['ada', 'ben', 'cleo', 'dora', 'eve'];
/** Revoked after half of the time. */
const revoked = 'eve';
/** A lease that was given right before a revocation is begun within this time. */
const lastLeaseMs = 5_000;
const jobEveryMs = 3_000;
/** Jobs under way at once; more wait. */
const openMax = 12;
const disturbEveryMs = 40_000;
const charterEveryMs = 60_000;
const sampleEveryMs = 5_000;
/** After the last job, for those that are under way. */
const settleMs = 180_000;

export interface Options {
  minutes: number;
  say: (line: string) => unknown;
  signal: AbortSignal;
}

export interface Result {
  figures: Record<string, string>;
  problems: string[];
}

interface Job {
  run: string;
  text: string;
  level?: string | null;
  artifact?: string;
}

export async function soak(options: Options): Promise<Result> {
  makeProgram();
  const cluster = await Cluster.start({
    volunteers,
    trusted: true,
    askInside: true,
    slotWait: '20s',
    controllerArgs: ['--grants', grants],
  });
  return new Soak(cluster, options).run();
}

class Soak {
  readonly #cluster: Cluster;
  readonly #options: Options;
  readonly #memory = new MemoryWatch();
  readonly #jobs: Job[] = [];
  readonly #problems: string[] = [];
  readonly #until: number;
  readonly #following = new Set<Promise<void>>();
  #checkRevoked: () => void = () => {};
  #restarts = 0;
  #charters = 0;
  #refused = 0;

  constructor(cluster: Cluster, options: Options) {
    this.#cluster = cluster;
    this.#options = options;
    this.#until = performance.now() + options.minutes * 60_000;
  }

  async run(): Promise<Result> {
    const actors = [
      this.#submit(),
      this.#disturb(),
      this.#changeCharter(),
      this.#revoke(),
      this.#watchMemory(),
    ];
    await Promise.all(actors);
    await this.#settle();
    this.#checkRevoked();
    await this.#verifyAll();
    return this.#result();
  }

  get #goesOn(): boolean {
    return performance.now() < this.#until && !this.#options.signal.aborted;
  }

  /** Sleeps, but not past the end. Whether there is time left. */
  async #pause(ms: number): Promise<boolean> {
    const { signal } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.max(0, Math.min(ms, this.#until - performance.now())));
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    return this.#goesOn;
  }

  /** A new commit each time, so that nothing of an earlier build can serve. */
  async #submit(): Promise<void> {
    for (let n = 0; this.#goesOn; n += 1) {
      const text = `number ${n}`;
      const url = await this.#cluster.git.commit('soak', program(`'${text}'`));
      await this.#submitOne(url, text);
      if (!(await this.#pause(jobEveryMs))) return;
      while (this.#following.size >= openMax) await Promise.race(this.#following);
    }
  }

  async #submitOne(url: string, text: string): Promise<void> {
    let node: Awaited<ReturnType<Cluster['submit']>>;
    try {
      node = await this.#cluster.submit(url);
    } catch {
      // The controller is down, and the command said so; nothing was accepted.
      this.#refused += 1;
      return;
    }
    const job: Job = { run: node.run, text };
    this.#jobs.push(job);
    const over = node.end(settleMs).then(
      () => {},
      () => {},
    );
    this.#following.add(over);
    void over.then(() => this.#following.delete(over));
  }

  /** Kills or stops one process after the other and starts it again. */
  async #disturb(): Promise<void> {
    const half = performance.now() + (this.#until - performance.now()) / 2;
    for (let n = 0; await this.#pause(disturbEveryMs); n += 1) {
      // The controller runs undisturbed through the second half: its memory is watched there.
      const targets =
        performance.now() < half ? ['controller', 'ben', 'tower', 'cleo'] : ['dora', 'cleo', 'ben'];
      const name = targets[n % targets.length] ?? 'ben';
      const kills = n % 2 === 0;
      this.#options.say(`${kills ? 'kill' : 'stop'} ${name}`);
      try {
        await this.#restart(name, kills);
      } catch (error) {
        this.#problems.push(`${name} did not come back: ${(error as Error).message}`);
        return;
      }
    }
  }

  async #restart(name: string, kills: boolean): Promise<void> {
    const node = name === 'controller' ? this.#cluster.control : this.#cluster.worker(name);
    if (kills) await node.kill();
    else await node.stop();
    this.#memory.forget(name);
    if (name === 'controller') await this.#cluster.startController();
    else await this.#cluster.join(name);
    this.#restarts += 1;
  }

  /** Turns a second source server on and off: each charter differs from the one before. */
  async #changeCharter(): Promise<void> {
    const ours = `127.0.0.1:${this.#cluster.git.port}`;
    for (let n = 0; await this.#pause(charterEveryMs); n += 1) {
      const also = n % 2 === 0 ? ['--vcs', 'git.example.org'] : [];
      const { code, report } = await this.#cluster.cli(['charter', 'set', '--vcs', ours, ...also]);
      if (code === 0) this.#charters += 1;
      else this.#problems.push(`charter set ended with ${code}:\n${report}`);
    }
  }

  /** From then on the operator builds nothing, and what it built before still counts. */
  async #revoke(): Promise<void> {
    if (!(await this.#pause((this.#until - performance.now()) / 2))) return;
    const { code, report } = await this.#cluster.cli(['revoke', revoked, '--reason', 'left the project']);
    if (code !== 0) this.#problems.push(`revoke ended with ${code}:\n${report}`);
    if (!(await this.#pause(lastLeaseMs))) return;
    const node = this.#cluster.worker(revoked);
    const mark = node.mark();
    this.#checkRevoked = () => {
      const builds = node.lines.slice(mark).filter(({ event }) => event === 'build').length;
      if (builds > 0) this.#problems.push(`${revoked} built ${builds} jobs after it was revoked`);
    };
  }

  async #watchMemory(): Promise<void> {
    while (await this.#pause(sampleEveryMs)) {
      await this.#memory.sample('controller', this.#cluster.control.pid);
      for (const [name, { pid }] of this.#cluster.workers) await this.#memory.sample(name, pid);
    }
  }

  /** Waits until every job that was accepted has ended, and keeps how. */
  async #settle(): Promise<void> {
    const deadline = performance.now() + settleMs;
    for (const job of this.#jobs) {
      for (;;) {
        // On a busy host a question may find nobody in time.
        const shown = await this.#cluster.show(job.run).catch((error: Error) => error);
        const isOver = performance.now() > deadline;
        if (shown instanceof Error) {
          if (isOver) throw new Error(`${shown.message}\n${this.#cluster.control.text.slice(-4_000)}`);
        } else {
          const { level, state, artifact } = shown;
          Object.assign(job, { level, artifact });
          if (state === 'done' || level === 'trusted') break;
          if (isOver) {
            const late = `${settleMs / 1000} s after the last job`;
            this.#problems.push(`run ${job.run} is ${state}, level ${level}, ${late}`);
            break;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      if (job.level !== 'trusted') this.#problems.push(`run ${job.run} ended as ${job.level}`);
    }
  }

  /** Each artifact is fetched by a stranger, with its proof, and is what its commit says. */
  async #verifyAll(): Promise<void> {
    for (const [n, { run, artifact, level, text }] of this.#jobs.entries()) {
      if (level !== 'trusted' || artifact === undefined) continue;
      const { code, report } = await this.#cluster.fetch(artifact, String(n));
      const says = code === 0 ? await this.#cluster.readText('fetched', String(n), 'bin', 'say') : '';
      if (!says.includes(text)) this.#problems.push(`run ${run}: fetch ended with ${code}:\n${report}`);
    }
  }

  #result(): Result {
    const memory = this.#memory.quarters();
    for (const { name, early, late, grew } of memory)
      if (grew) this.#problems.push(`${name} grew from ${early.toFixed(0)} to ${late.toFixed(0)} MB`);
    return {
      figures: {
        jobs: `${this.#jobs.length}, trusted ${this.#jobs.filter(({ level }) => level === 'trusted').length}`,
        'not accepted while the controller was down': String(this.#refused),
        restarts: String(this.#restarts),
        charters: String(this.#charters),
        ...Object.fromEntries(
          memory.map(({ name, early, late }) => [
            `memory of ${name}, second and last quarter`,
            `${early.toFixed(0)} and ${late.toFixed(0)} MB (× ${(late / early).toFixed(2)})`,
          ]),
        ),
      },
      problems: this.#problems,
    };
  }
}

interface Sample {
  at: number;
  mb: number;
}

/** A process may hold this times as much in the last quarter of the time as in the second: garbage is collected late. */
const growthMax = 1.3;
/** Fewer samples have no quarters. */
const samplesMin = 8;
/** A heap grows to its working size in the first minutes; a process that ran for less is shown, and not judged. */
const judgedMsMin = 8 * 60_000;

/** Resident memory of processes over the time that each has run. A restarted process begins anew. */
class MemoryWatch {
  readonly #samples = new Map<string, Sample[]>();

  forget(name: string): void {
    this.#samples.delete(name);
  }

  async sample(name: string, pid: number): Promise<void> {
    const found = await memoryMb(pid).catch(() => undefined);
    if (found === undefined) return;
    const samples = this.#samples.get(name) ?? [];
    samples.push({ at: performance.now(), mb: found.resident });
    this.#samples.set(name, samples);
  }

  /** Median of the second and of the last quarter of a process's time, in MB, for those that ran long enough. */
  quarters(): { name: string; early: number; late: number; grew: boolean }[] {
    return [...this.#samples].flatMap(([name, samples]) => {
      if (samples.length < samplesMin) return [];
      const quarter = Math.floor(samples.length / 4);
      const early = median(samples.slice(quarter, 2 * quarter).map(({ mb }) => mb));
      const late = median(samples.slice(-quarter).map(({ mb }) => mb));
      const ran = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
      return [{ name, early, late, grew: ran >= judgedMsMin && late > early * growthMax }];
    });
  }
}
