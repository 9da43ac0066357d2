import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type ProbeWatch, probe, type Tier } from '../../../sandbox/index.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { limits } from '../../protocol/base/limits.ts';
import { bytes } from '../../terminal/format.ts';

export interface HostCheck {
  name: string;
  ok: boolean;
  /** Result of the check, one line. */
  found: string;
  fix?: string;
  /** The tier that the check belongs to. One working tier is enough. */
  tier?: Tier;
}

/** Free disk space for one checkout, the outputs of one build and the store of a small project. */
const diskBytesMin = 2 * 1024 ** 3;
const programMsMax = 5_000;

/** Checks everything a host needs to build, in a few seconds. Tiers: the named ones, or the default ones. */
export async function checkHost(
  home: string,
  watch: ProbeWatch,
  named?: readonly Tier[],
): Promise<HostCheck[]> {
  const sandboxes = checkSandbox(home, watch, named);
  const [git, disk, sandbox] = await Promise.all([checkGit(), checkDisk(home), sandboxes]);
  return [{ name: 'node', ok: true, found: process.version }, git, disk, checkClock(), ...sandbox];
}

async function checkGit(): Promise<HostCheck> {
  const name = 'git';
  const fix = 'apt-get install -y git';
  try {
    const { stdout } = await promisify(execFile)('git', ['--version'], { timeout: programMsMax });
    return { name, ok: true, found: escapeLine(stdout.trim(), 200) };
  } catch {
    return { name, ok: false, found: 'not found', fix };
  }
}

async function checkDisk(home: string): Promise<HostCheck> {
  const name = 'disk';
  try {
    await mkdir(home, { recursive: true, mode: 0o700 });
    const { bavail, bsize } = await statfs(home);
    const free = bavail * bsize;
    const found = `${bytes(free)} free in ${home}`;
    const fix = `free some, or use another place: --home <folder>; ${bytes(diskBytesMin)} are needed`;
    return free >= diskBytesMin ? { name, ok: true, found } : { name, ok: false, found, fix };
  } catch (error) {
    const found = escapeLine(error instanceof Error ? error.message : String(error), 200);
    return { name, ok: false, found, fix: 'use a place you can write to: --home <folder>' };
  }
}

/** Checks that the clock is not before the time this program was built: a node with a slow clock refuses all documents. */
function checkClock(): HostCheck {
  const name = 'clock';
  const now = Date.now();
  const made = statSync(import.meta.filename).mtimeMs;
  const found = new Date(now).toISOString();
  const isEarly = now + limits.clockSkewSeconds * 1000 < made;
  const early = `${found}, before this program was made`;
  if (isEarly) return { name, ok: false, found: early, fix: 'timedatectl set-ntp true' };
  const synchronised = existsSync('/run/systemd/timesync/synchronized');
  return { name, ok: true, found: synchronised ? `${found}, synchronised` : found };
}

async function checkSandbox(home: string, watch: ProbeWatch, named?: readonly Tier[]): Promise<HostCheck[]> {
  const probes = await probe({ ...watch, stateDir: home, of: named });
  return probes.flatMap(({ tier, checks }) =>
    checks.map(({ name, ok, found, fix, package: needs }) => {
      const mends = fix ?? (needs && `apt-get install -y ${needs}`);
      return { name: `${tier} sandbox: ${name}`, ok, found, tier, ...(mends && { fix: mends }) };
    }),
  );
}
