import { execFile } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { exits } from '../../../src/terminal/exit-codes.ts';
import { type Ground, type Part, readyBy } from '../../e2e/support/ground.ts';
import type { Proc } from '../../e2e/support/processes.ts';
import { sleep } from '../../e2e/support/wait.ts';
import { damage, type Homes } from './homes.ts';
import { trustedLeaves } from './journals.ts';
import type { Fault } from './plan.ts';

const exec = promisify(execFile);
/** A part that was started says within this that it is ready, or why not. */
const readyMsMax = 60_000;
const stopMsMax = 30_000;
/** A node looks at its store as it starts. */
const firstLookMs = 5_000;
/** A node looks at its clock at each event, and takes one that is wrong for less than 10 s for a passing disturbance. */
const disturbedMs = 11_000;
/** Events of a run come within this. */
const clockMsMax = 8_000;
const startsMax = 4;
const libfaketime = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';

/** Something that does not hold. */
class Finding extends Error {}

/** Runs beside a fault. */
export interface Meanwhile {
  /** Begins a run. */
  submit(): Promise<unknown>;
  /** Waits until all runs that were submitted are trusted. */
  trusted(): Promise<unknown>;
}

interface Refusal {
  code: string;
  message: string;
  hint: string;
}

/** Does to the parts of a project what a plan says, and starts again what ended. */
export class Faults {
  readonly #ground: Ground;
  readonly #homes: Homes;
  /** Leaves that the trusted worker held at each restore. */
  readonly signedOver: string[][] = [];
  /** How often each error ended a part, by code. */
  readonly codes = new Map<string, number>();

  constructor(ground: Ground, homes: Homes) {
    this.#ground = ground;
    this.#homes = homes;
  }

  /** The outcome, in a few words. A run is submitted meanwhile; the part runs afterwards. */
  async happen(fault: Fault, { submit, trusted }: Meanwhile): Promise<string> {
    await this.#homes.dropCopies();
    try {
      // A clock is looked at when something happens.
      if (fault.kind === 'clock jumps') return await this.#clockJumps(fault, submit);
      if (fault.kind === 'restore') return await this.#restored(fault, { submit, trusted });
      await submit();
      await sleep(fault.afterMs);
      return await this.#happen(fault);
    } catch (error) {
      const proc = this.#ground.proc(fault.part);
      if (!proc.alive) {
        await this.#homes.putAllBack(fault.part);
        await this.#startAgain(fault.part);
      }
      throw error;
    }
  }

  async #happen(fault: Exclude<Fault, { kind: 'clock jumps' | 'restore' }>): Promise<string> {
    const { part } = fault;
    const proc = this.#ground.proc(part);
    switch (fault.kind) {
      case 'kill':
        await proc.kill();
        return this.#startAgain(part);
      case 'pause':
        proc.signal('SIGSTOP');
        await sleep(fault.forMs);
        proc.signal('SIGCONT');
        return this.#goesOn(part);
      case 'cut off':
        await this.#ground.hosts.unreachable(part);
        await sleep(fault.forMs);
        await this.#ground.hosts.reachable(part);
        return this.#goesOn(part);
      case 'full disk': {
        const empty = await this.#homes.fill(part);
        await sleep(fault.forMs);
        await empty();
        return this.#goesOn(part);
      }
      case 'few descriptors':
        return this.#fewDescriptors(part, fault);
      case 'clock ahead':
        return this.#clockAhead(part, fault.seconds);
      case 'flip':
      case 'cut':
        return this.#damaged(part, fault);
    }
  }

  /** A part that was left running is there, or ended for a reason that it names; then it is started again. */
  async #goesOn(part: Part): Promise<string> {
    const proc = this.#ground.proc(part);
    // A process that ends for it does so at its next write.
    await sleep(200);
    if (proc.alive) return 'goes on';
    const { code } = this.#refusalOf(part, proc);
    return `${code}, then ${await this.#startAgain(part)}`;
  }

  /** Why a process ended by itself. */
  #refusalOf(part: Part, proc: Proc): Refusal {
    const said = proc.lines.findLast((line) => line.error !== undefined)?.error;
    // A bootstrap node says it on standard error.
    const { code = '', message = '', hint = '' } = (said ?? lastJson(proc.stderr)) as Partial<Refusal>;
    if (!/^[A-Z]+(_[A-Z0-9]+)+$/.test(code) || code.startsWith('ERR_'))
      throw new Finding(`${part} ended without a code:\n${proc.report()}`);
    if (hint === '') throw new Finding(`${part} ended with ${code} and no remedy: ${message}`);
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    return { code, message, hint };
  }

  /** Starts a part, and does what its errors say until it is ready. */
  async #startAgain(
    part: Part,
    remedy?: (refusal: Refusal) => Promise<string[] | undefined>,
  ): Promise<string> {
    const did: string[] = [];
    let more: string[] = [];
    for (let tries = 0; tries < startsMax; tries++) {
      const proc = this.#ground.spawn(part, { more });
      if (await this.#ready(part, proc)) return ['started', ...did].join(', ');
      const refusal = this.#refusalOf(part, proc);
      did.push(refusal.code);
      if (refusal.code === 'CLOCK_BEHIND') more = ['--accept-clock'];
      else {
        const words = await remedy?.(refusal);
        if (words === undefined)
          throw new Finding(`${part} does not start: ${refusal.code}: ${refusal.message} (${refusal.hint})`);
        more = words;
      }
    }
    throw new Finding(`${part} does not start after ${did.join(', ')}`);
  }

  async #ready(part: Part, proc: Proc): Promise<boolean> {
    try {
      await proc.event(readyBy(part), { ms: readyMsMax });
      return true;
    } catch (error) {
      if (!proc.alive) return false;
      throw new Finding(`${part} is not ready: ${(error as Error).message}`);
    }
  }

  async #fewDescriptors(part: Part, { spare, forMs }: { spare: number; forMs: number }): Promise<string> {
    const proc = this.#ground.proc(part);
    const open = (await readdir(`/proc/${proc.pid}/fd`)).length;
    const limit = (soft: string) =>
      exec('prlimit', ['--pid', String(proc.pid), `--nofile=${soft}`], { timeout: stopMsMax });
    const { stdout } = await exec('prlimit', [
      ...['--pid', String(proc.pid), '--nofile', '--output=SOFT', '--noheadings'],
    ]);
    await limit(`${open + spare}:`);
    await sleep(forMs);
    if (proc.alive) await limit(`${stdout.trim()}:`);
    return this.#goesOn(part);
  }

  /** Stops a part as its operator does. */
  async stop(part: Part): Promise<void> {
    const proc = this.#ground.proc(part);
    proc.signal('SIGTERM');
    const ended = await Promise.race([proc.ended, sleep(stopMsMax)]);
    if (ended !== undefined) return;
    await proc.kill();
    throw new Finding(`${part} did not stop within ${stopMsMax / 1000} s:\n${proc.report()}`);
  }

  async start(part: Part): Promise<void> {
    await this.#startAgain(part);
  }

  #clockFile(part: Part): string {
    return join(this.#ground.hosts.dir, `clock-${part}`);
  }

  #setClock(part: Part, seconds: number): Promise<void> {
    return writeFile(this.#clockFile(part), `${seconds < 0 ? '' : '+'}${seconds}\n`);
  }

  /** Under a clock of its own. */
  async #spawnWithClock(part: Part, seconds: number): Promise<Proc> {
    await this.#setClock(part, seconds);
    const env = {
      LD_PRELOAD: libfaketime,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile(part),
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_NO_FAKE_STAT: '1',
      NO_FAKE_STAT: '1',
    };
    return this.#ground.spawn(part, { env });
  }

  /** Its clock is set while it runs. */
  async #clockJumps(
    { part, seconds, first, afterMs }: Extract<Fault, { kind: 'clock jumps' }>,
    submit: () => Promise<unknown>,
  ): Promise<string> {
    await this.stop(part);
    const proc = await this.#spawnWithClock(part, 0);
    if (!(await this.#ready(part, proc))) throw new Finding(`${part} does not start:\n${proc.report()}`);
    if (!first) await submit();
    if (!first) await sleep(afterMs);
    await this.#setClock(part, seconds);
    if (first) await submit();
    await Promise.race([proc.ended, sleep(disturbedMs)]);
    if (proc.alive) await submit();
    await Promise.race([proc.ended, sleep(clockMsMax)]);
    if (!proc.alive) {
      const { code } = this.#refusalOf(part, proc);
      return `${code}, then ${await this.#startAgain(part)}`;
    }
    await proc.kill();
    return `notices nothing, killed, then ${await this.#startAgain(part)}`;
  }

  /** It is started once under a clock that is ahead. */
  async #clockAhead(part: Part, seconds: number): Promise<string> {
    await this.stop(part);
    const proc = await this.#spawnWithClock(part, seconds);
    await Promise.race([proc.event(readyBy(part)).catch(() => {}), sleep(clockMsMax)]);
    if (proc.alive) await this.stop(part);
    return this.#startAgain(part);
  }

  async #damaged(part: Part, fault: Extract<Fault, { kind: 'flip' | 'cut' }>): Promise<string> {
    await this.#ground.proc(part).kill();
    await this.#homes.copy(part);
    const file = await this.#homes.pick(part, fault.file);
    if (file === undefined) throw new Finding(`${part} keeps no file`);
    const name = relative(this.#ground.home(part), file.path);
    const says = await damage(file, fault);
    const came = await this.#startAgain(part, async ({ code, message, hint }) => {
      const named = message.includes(file.path) || message.includes(file.path.replace(/-wal$/, ''));
      if (!named && !/KEY_|_MISMATCH|STORE_/.test(code))
        throw new Finding(`${part}: ${name}, ${says}: ${code} does not name the file: ${message}`);
      if (fault.removes && /\bremove it\b(?! and join)/i.test(hint)) await rm(file.path);
      else await this.#homes.putBack(part, file.path);
      return [];
    });
    return `${name}: ${says}; ${came}`;
  }

  async #restored(
    { part, behind, inFlight, from, afterMs }: Extract<Fault, { kind: 'restore' }>,
    { submit, trusted }: Meanwhile,
  ): Promise<string> {
    const restore = await (from === 'copy' ? this.#copied(part) : this.#backedUp());
    for (let n = 0; n < behind; n++) {
      await submit();
      await trusted();
    }
    if (inFlight) {
      await submit();
      await sleep(afterMs);
    }
    await this.#ground.proc(part).kill();
    this.signedOver.push(await trustedLeaves(this.#ground));
    await restore();
    const says = `${from}, behind by ${behind} runs${inFlight ? ' and one on its way' : ''}`;
    return `${says}; ${await this.#startAgain(part)}`;
  }

  /** Copies the files of a part that does not run; the result puts them back. */
  async #copied(part: Part): Promise<() => Promise<void>> {
    await this.stop(part);
    await this.#homes.copy(part);
    await this.#startAgain(part);
    return () => this.#homes.putAllBack(part);
  }

  /** Backs up the controller while it runs; the result makes its home of that. */
  async #backedUp(): Promise<() => Promise<void>> {
    const folder = join(this.#ground.hosts.dir, 'backup');
    await this.#typed(['backup', '--keys', '--artifacts', folder]);
    return async () => {
      await this.#typed(['restore', '--aside', folder]);
      await rm(folder, { recursive: true });
      const home = this.#ground.home('controller');
      for (const name of await readdir(home))
        if (name.startsWith('.quorate.before-')) await rm(join(home, name), { recursive: true });
    };
  }

  async #typed(words: readonly string[]): Promise<void> {
    const { code, report } = await this.#ground.hosts.answer('controller', ['controller', ...words]);
    if (code !== 0) throw new Finding(`quorate controller ${words.join(' ')} ends with ${code}:\n${report}`);
  }

  /**
   * Gives up trees in the store of a part that does not run, as the event says that named each of them as damaged. Those that it did not
   * name.
   */
  async forgotten(part: Part, roots: readonly string[]): Promise<string[]> {
    const { lines } = this.#ground.proc(part);
    const unnamed: string[] = [];
    for (const root of roots) {
      const isNamed = lines.some(
        ({ event, says }) => event === 'damaged' && String(says).includes(`forget ${root}`),
      );
      if (!isNamed) unnamed.push(root);
      const { code, report } = await this.#ground.hosts.answer(part, ['store', 'forget', root]);
      if (code !== 0) throw new Finding(`quorate store forget ends with ${code}:\n${report}`);
    }
    return unnamed;
  }

  /** Waits until its first look at its store has told of each tree that is not whole that it is again, or that nobody has it. */
  async mended(part: Part, ms: number): Promise<void> {
    const { lines } = this.#ground.proc(part);
    const end = performance.now() + ms;
    do {
      await sleep(firstLookMs);
      const events = lines.map(({ data }) => (data ?? {}) as { root?: string; roots?: string[] });
      const told = new Set(events.map(({ root }) => root));
      const damaged = events.flatMap(({ roots = [] }) => roots);
      if (damaged.every((root) => told.has(root))) return;
    } while (performance.now() < end);
  }

  /** Runs `check` on the homes of the services that have it. Damage is a finding, unless its node makes the file again. */
  async checked(): Promise<string[]> {
    const found: string[] = [];
    for (const service of ['controller', 'idp', 'store', 'watch'] as const) {
      const { code, report } = await this.#ground.hosts.answer(service, [service, 'check']);
      if (code !== 0 && code !== exits.lookAt)
        found.push(`quorate ${service} check ends with ${code}:\n${report}`);
    }
    return found;
  }
}

function lastJson(text: string): unknown {
  const line = text.split('\n').findLast((one) => one.startsWith('{')) ?? '{}';
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
