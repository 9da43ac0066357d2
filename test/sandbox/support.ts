import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { extract, type Header, pack } from 'tar-stream';
import { findCgroupParents, readHierarchies } from '../../sandbox/cgroups/parents.ts';
import { gvisorTier } from '../../sandbox/gvisor/tier.ts';
import type { Sandbox, SandboxJob, SandboxLimits, SandboxOutcome, Tier } from '../../sandbox/index.ts';
import { namespaceTier } from '../../sandbox/namespace/tier.ts';
import { TierSandbox } from '../../sandbox/run/tier.ts';

export const MiB = 1024 * 1024;

/** A tier as `openSandbox` opens it, without the look at whether it works here and at what was left behind. */
export function unprobed(stateDir: string, tier: Tier = 'namespace'): TierSandbox {
  const { parents } = findCgroupParents(readHierarchies());
  const backend = tier === 'gvisor' ? gvisorTier() : namespaceTier();
  return new TierSandbox(backend, { parents, recordsDir: join(stateDir, 'sandbox') });
}

/** Enough for a small build, little enough that reaching a limit is quick. */
export const smallLimits: SandboxLimits = {
  cpus: 1,
  memoryBytes: 128 * MiB,
  diskBytes: 32 * MiB,
  pids: 32,
  seconds: 20,
};

export interface Entry extends Partial<Header> {
  name: string;
  content?: string | Buffer;
}

export function tarOf(entries: Entry[]): Readable {
  const archive = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined && header.type !== undefined && header.type !== 'file')
      archive.entry(header).end(undefined);
    else archive.entry(header, content ?? '');
  }
  archive.finalize();
  return Readable.from(archive as AsyncIterable<Uint8Array>, { objectMode: false });
}

export interface OutputEntry {
  header: Header;
  text: string;
}

export async function readOutputs(tar: Readable): Promise<OutputEntry[]> {
  const reader = extract();
  const entries: OutputEntry[] = [];
  const pumped = (async () => {
    for await (const chunk of tar as AsyncIterable<Uint8Array>) reader.write(chunk);
    reader.end(undefined);
  })();
  pumped.catch((error: Error) => reader.destroy(error));
  for await (const entry of reader) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    entries.push({ header: entry.header, text: Buffer.concat(chunks).toString('utf8') });
  }
  await pumped;
  return entries;
}

export interface Ran {
  outcome: SandboxOutcome;
  log: string;
  outputs: OutputEntry[];
  /** undefined when onOutputs was never called. */
  delivered: boolean;
  seconds: number;
}

export interface Play extends Partial<Omit<SandboxJob, 'limits'>> {
  limits?: Partial<SandboxLimits>;
  signal?: AbortSignal;
  onLog?: (text: string) => void;
  /** Instead of keeping the log. */
  onLogBytes?: (chunk: Uint8Array) => void;
  onOutputs?: (tar: Readable) => Promise<void>;
}

/** Runs a job with defaults for all that a test does not care about. */
export async function play(sandbox: Sandbox, run: SandboxJob['run'], play: Play = {}): Promise<Ran> {
  const { limits, signal, onLog, onLogBytes, onOutputs, ...job } = play;
  const ran: Ran = {
    outcome: { kind: 'exit', code: -1 },
    log: '',
    outputs: [],
    delivered: false,
    seconds: 0,
  };
  const started = performance.now();
  ran.outcome = await sandbox.run(
    {
      source: tarOf([]),
      inputs: [],
      env: {},
      outputs: [],
      image: 'host',
      ...job,
      run,
      limits: { ...smallLimits, ...limits },
    },
    {
      signal: signal ?? new AbortController().signal,
      onLog: (chunk) => {
        if (onLogBytes !== undefined) return onLogBytes(chunk);
        const text = Buffer.from(chunk).toString('utf8');
        ran.log += text;
        onLog?.(text);
      },
      onOutputs: async (tar) => {
        ran.delivered = true;
        if (onOutputs !== undefined) await onOutputs(tar);
        else ran.outputs = await readOutputs(tar);
      },
    },
  );
  ran.seconds = (performance.now() - started) / 1000;
  return ran;
}

export const exited = (code: number): SandboxOutcome => ({ kind: 'exit', code });

/** On a disk, where /tmp may be memory: in that no build gets a disk beyond its memory. */
export async function tempFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp('/var/tmp/quorate-sandbox-');
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A number no other process has on its command line, for `sleep`: survivors are found by it. */
export function uniqueSleep(): string {
  return `${1000 + Math.floor(Math.random() * 1000)}.${process.pid}${Math.floor(Math.random() * 1e6)}`;
}

/** Host pids of processes whose command line has this text. At once: with a promise for each it takes three times as long. */
export async function processesWith(text: string): Promise<number[]> {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(text) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

/**
 * Host pids of all that belongs to jobs of a worker, by their control groups: a build's own processes are the host's only
 * where it shares the kernel.
 */
export async function processesOfJobs(worker: number = process.pid): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
      return groups.includes(`quorate-job-${worker}-`) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** Kills processes. When the first process of a PID namespace is killed, the others are gone before their turn. */
export function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

/** Looks every 20 ms until it holds; false after `ms`. */
export async function holdsWithin(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + ms;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() > until) return false;
    await sleep(20);
  }
}

/** Processes of jobs that are left on the host: by command line, where a build's processes are the host's, and by control group. */
export async function survivors(text: string): Promise<number[]> {
  return [...(await processesWith(text)), ...(await processesOfJobs())];
}
