import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** `npm run demo -- PLAY --json`; `onErr` sees what it has said of its progress. */
export function demo(
  play: 'pipeline' | 'self' | 'forge',
  onErr: (err: string, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  // The program behind `npm run demo`; npm itself ends at once when it is interrupted.
  const child = spawn(process.execPath, [join(root, 'scripts', 'demo.js'), play, '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that nothing of it outlives the test.
    detached: true,
  });
  const group = -(child.pid ?? 0);
  onTestFinished(() => {
    try {
      if (child.exitCode === null) process.kill(group, 'SIGKILL');
    } catch {
      // All of it has ended.
    }
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
    onErr(err, child);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}
