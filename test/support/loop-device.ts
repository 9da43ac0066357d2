import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRoot } from './needs.ts';

/**
 * Whether a file can be a block device here: some containers have no loop devices. There the product gives no build a disk beyond its memory
 * and says so; tests of that disk are skipped by name.
 */
export const hasLoopDevices: boolean = isRoot && attachesOnce();

function attachesOnce(): boolean {
  const folder = mkdtempSync('/var/tmp/quorate-loop-');
  try {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    truncateSync(file, 1024 * 1024);
    const { status, stdout } = spawnSync('losetup', ['--find', '--show', file], { encoding: 'utf8' });
    if (status !== 0) return false;
    return spawnSync('losetup', ['--detach', stdout.trim()]).status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
