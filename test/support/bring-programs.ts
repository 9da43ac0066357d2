import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const setUp = join(import.meta.dirname, '../../scripts/setup.js');

/** Brings the system programs that a script or tests need, once the options are known to be right. Exit code. */
export const bringPrograms = (purpose: string): number =>
  spawnSync(process.execPath, [setUp, '--for', purpose], { stdio: 'inherit' }).status ?? 3;
