import { join } from 'node:path';
import { Ground, hostNames, type Part, services, workers } from '../../e2e/support/ground.ts';
import { Hosts } from '../../e2e/support/hosts.ts';
import { sleep } from '../../e2e/support/wait.ts';
import makeProgram from '../../support/make-program.ts';
import { Faults } from './faults.ts';
import { Homes } from './homes.ts';
import { checkJournals } from './journals.ts';
import { leftovers } from './leftovers.ts';
import { type Fault, planOf } from './plan.ts';
import { type Run, Runs } from './runs.ts';
import { incompleteTrees, scrubbed } from './stores.ts';

/** A run is trusted within this after its fault is over. */
const settleMsMax = 120_000;
const endMsMax = 30_000;
/** A part mends what is damaged in its store when it starts. */
const mendMsMax = 300_000;
/** So many of the artifacts are fetched as a stranger does; all are verified. */
const fetchEvery = 10;
const parts: readonly Part[] = [...services, ...workers];

export interface Options {
  seed: number;
  faults: number;
  say: (line: string) => unknown;
  signal: AbortSignal;
}

export interface Result {
  figures: Record<string, string>;
  findings: string[];
}

/** Runs a project of real processes through the faults of a seed, with runs all the time, and looks at what is left. */
export async function chaos(options: Options): Promise<Result> {
  makeProgram();
  const hosts = await Hosts.open(hostNames);
  const ground = new Ground(hosts, ['--slot-wait', '20s', '--absence-wait', '2s']);
  const homes = new Homes(ground);
  try {
    await homes.mount(parts);
    await ground.open();
    return await new Chaos(ground, homes, options).run();
  } finally {
    await endParts(ground);
    await homes.unmount();
    await hosts.close();
  }
}

/** Stops them as their operators do. */
async function endParts({ running, git }: Ground): Promise<void> {
  await Promise.all(
    [...running.values(), ...(git === undefined ? [] : [git])].map(async (proc) => {
      proc.signal('SIGCONT');
      proc.signal('SIGTERM');
      await Promise.race([proc.ended, sleep(endMsMax)]);
      await proc.kill();
    }),
  );
}

class Chaos {
  readonly #ground: Ground;
  readonly #homes: Homes;
  readonly #options: Options;
  readonly #faults: Faults;
  readonly #runs: Runs;
  readonly #findings: string[] = [];
  #events = 0;
  #damagedBlocks = 0;
  #givenUp = 0;
  readonly #counts = new Map<string, number>();

  constructor(ground: Ground, homes: Homes, options: Options) {
    this.#ground = ground;
    this.#homes = homes;
    this.#options = options;
    this.#faults = new Faults(ground, homes);
    this.#runs = new Runs(ground);
  }

  async run(): Promise<Result> {
    const { seed, faults, signal, say } = this.#options;
    const began = performance.now();
    const faultOf = planOf(seed);
    let n = 0;
    for (; n < faults && !signal.aborted; n++) {
      const fault = faultOf(n);
      const at = performance.now();
      const came = await this.#one(fault);
      const seconds = ((performance.now() - at) / 1000).toFixed(1);
      say(`${n + 1} ${fault.kind}, ${fault.part}: ${came} (${seconds} s)`);
      this.#counts.set(fault.kind, (this.#counts.get(fault.kind) ?? 0) + 1);
    }
    await this.#end();
    return { figures: this.#figures(n, performance.now() - began), findings: this.#findings };
  }

  /** After the last fault: what is submitted now is trusted, and nothing is left once all have ended. */
  async #end(): Promise<void> {
    const last = await this.#runs.push();
    const instead = await this.#runs.settle(last, settleMsMax);
    if (instead !== undefined) this.#find(`the run after the last fault is ${instead}`);
    await this.#mendStores();
    for (const failed of await this.#runs.adopt()) this.#find(failed);
    const bundles = join(this.#ground.home('controller'), '.quorate', 'bundles');
    // One that is damaged is made again when somebody asks for it.
    const damaged = await this.#runs.refused(bundles);
    const { trusted } = this.#runs;
    for (const [n, run] of trusted.entries()) {
      const isAsked = damaged.has(run) || n % fetchEvery === 0 || n === trusted.length - 1;
      const failed = isAsked ? await this.#runs.unfetched(run) : undefined;
      if (failed !== undefined) this.#find(failed);
    }
    for (const [, why] of await this.#runs.refused(this.#runs.kept))
      this.#find(`it is trusted no more: ${why}`);
    const { hosts } = this.#ground;
    await endParts(this.#ground);
    for (const part of parts) await this.#giveUp(part);
    for (const one of await this.#faults.checked()) this.#find(one);
    const { found, events } = await checkJournals(this.#ground, {
      kept: this.#runs.kept,
      signedOver: this.#faults.signedOver,
    });
    this.#events = events;
    for (const one of found) this.#find(one);
    await this.#homes.dropCopies();
    for (const left of await leftovers(hosts.dir, hosts.pids)) this.#find(`left over: ${left}`);
  }

  /** A tree that nobody else had is named as damaged, and given up by the command that is named with it. Artifacts are mended: others have them. */
  async #giveUp(part: Part): Promise<void> {
    const roots = await incompleteTrees(this.#ground, part);
    const artifacts = new Set(this.#runs.trusted.map(({ artifact }) => artifact));
    for (const root of roots)
      if (artifacts.has(root)) this.#find(`${part} keeps ${root}, which was not mended`);
    for (const root of await this.#faults.forgotten(part, roots))
      this.#find(`${part} keeps ${root}, which is not whole and was not named`);
    this.#givenUp += roots.length;
    const left = await incompleteTrees(this.#ground, part);
    if (left.length > 0) this.#find(`${part} still keeps ${left.join(', ')}`);
  }

  /** Runs the weekly look at stores now, whose damage is mended from the others once their parts run again. */
  async #mendStores(): Promise<void> {
    const stores = this.#homes.damagedStores;
    for (const part of stores) {
      await this.#faults.stop(part);
      this.#damagedBlocks += await scrubbed(this.#ground, part);
      await this.#faults.start(part);
    }
    for (const part of stores) await this.#faults.mended(part, mendMsMax);
  }

  /** A run is on its way while it happens, and trusted afterwards. */
  async #one(fault: Fault): Promise<string> {
    const runs: Run[] = [];
    const submit = async () => runs.push(await this.#runs.push());
    const trusted = async () => {
      for (const run of runs.splice(0)) await this.#settle(run, fault.kind);
    };
    let came: string;
    try {
      came = await this.#faults.happen(fault, { submit, trusted });
    } catch (error) {
      came = (error as Error).message;
      this.#find(`${fault.kind}, ${fault.part}: ${came}`);
    }
    // A run that the copy does not know may be lost; one that comes after it is not.
    if (fault.kind === 'restore') runs.splice(0);
    // The watcher passes over commits that were not published before the next came.
    if (fault.kind === 'clock jumps') runs.splice(0, runs.length - 1);
    if (runs.length === 0) await submit();
    return `${came}; ${(await Promise.all(runs.map((run) => this.#settle(run, `${fault.kind}, ${fault.part} (${came})`)))).join(', ')}`;
  }

  /** The level of a run, or the state that it stays in. */
  async #settle(run: Run, after: string): Promise<string> {
    const instead = await this.#runs.settle(run, settleMsMax);
    if (instead !== undefined)
      this.#find(`after ${after}: the run of ${run.commit.slice(0, 8)} is ${instead}`);
    return instead ?? 'trusted';
  }

  #find(says: string): void {
    this.#findings.push(says);
  }

  #figures(faults: number, ms: number): Record<string, string> {
    return {
      faults: `${faults} (${[...this.#counts].map(([kind, count]) => `${kind} ${count}`).join(', ')})`,
      runs: `${this.#runs.all.length}, trusted ${this.#runs.trusted.length}`,
      'events that the checkers saw': String(this.#events),
      'ended with': [...this.#faults.codes].map(([code, count]) => `${code} ${count}`).join(', '),
      'blocks of stores that were damaged': String(this.#damagedBlocks),
      'trees given up': String(this.#givenUp),
      'kinds of files damaged': String(this.#homes.met),
      time: `${(ms / 60_000).toFixed(1)} minutes, ${(ms / 1000 / Math.max(1, faults)).toFixed(1)} s a fault`,
    };
  }
}
