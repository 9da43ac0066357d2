import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { covered } from '../../support/covered.ts';
import { isRoot } from '../../support/needs.ts';
import { tempFolder } from '../support.ts';

/** The home of this user is another folder, for a process in a mount namespace: that takes root. */
it.skipIf(!isRoot)("as root: no start-up file of the worker's own shell takes part in a build", async () => {
  const folder = await tempFolder();
  const home = await tempFolder();
  try {
    const trace = join(folder.path, 'ran');
    for (const name of ['.bashrc', '.bash_profile', '.profile'])
      await writeFile(join(home.path, name), `echo ran > ${trace}\n`);
    // As bash does for a shell whose standard input is a socket: the control.
    execFileSync('bash', ['-i', '-c', 'true'], { env: { HOME: home.path }, stdio: 'ignore' });
    expect(existsSync(trace)).toBe(true);
    execFileSync('rm', [trace]);

    const holder = [join(import.meta.dirname, '../holder.ts'), folder.path, 'echo built'];
    const program = [process.execPath, '--disable-warning=ExperimentalWarning', ...holder];
    const [command = '', ...words] = [...covered(homedir(), home.path), ...program];
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    await once(child, 'close');
    expect(said).toBe('built\n');
    expect(existsSync(trace)).toBe(false);
  } finally {
    await home.remove();
    await folder.remove();
  }
});
