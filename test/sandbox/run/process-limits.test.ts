import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { guards as gvisor } from '../../../sandbox/gvisor/guards.ts';
import { guards as namespace } from '../../../sandbox/namespace/guards.ts';
import { processBounds } from '../../../sandbox/run/process-limits.ts';
import { smallLimits, tempFolder } from '../support.ts';

const run = promisify(execFile);
const limits = 'ulimit -Hn; ulimit -Sn; ulimit -Hc; ulimit -r; ulimit -e';

async function seenUnder(...options: string[]): Promise<string[]> {
  const folder = await tempFolder();
  try {
    const holder = [join(import.meta.dirname, '..', 'holder.ts'), folder.path, `bash -c '${limits}'`];
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', ...holder];
    return (await run('prlimit', [...options, '--', ...node])).stdout.trim().split('\n');
  } finally {
    await folder.remove();
  }
}

it('a build has the same limits whoever started its worker, and runs where that had less', async () => {
  expect(await seenUnder('--nofile=20000:20000')).toEqual(['16384', '1024', '0', '0', '0']);
  expect(await seenUnder('--nofile=700:800', '--core=0:0')).toEqual(['800', '800', '0', '0', '0']);
});

it('the guards of each tier hold a process to the bounds that they are given', () => {
  const bounds = { openFilesMax: 100 };
  expect(namespace.processLimits(bounds).nofile).toBe('100:100');
  expect(gvisor.processes(smallLimits, bounds)).toContainEqual({
    type: 'RLIMIT_NOFILE',
    hard: 100,
    soft: 100,
  });
  // Of gVisor itself, which opens files for all processes of the build.
  expect(gvisor.processLimits(bounds).nofile).toBe(gvisor.processLimits(processBounds).nofile);
});
