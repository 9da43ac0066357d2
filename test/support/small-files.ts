import { spawnSync } from 'node:child_process';

/**
 * Runs the text of a module in a process whose files hold at most so many KiB: as on a full disk, a write takes what there is room for,
 * and the next one fails. Returns what it printed. Relative imports are of the folder `from`.
 */
export function inSmallFiles(kibibytes: number, from: string, text: string): string {
  const script = `trap '' XFSZ; ulimit -f ${2 * kibibytes}; exec "$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
  const ran = spawnSync('sh', ['-c', script, process.execPath, text], { cwd: from, encoding: 'utf8' });
  return ran.stdout + ran.stderr;
}
