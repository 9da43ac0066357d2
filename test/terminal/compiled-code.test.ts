import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { quietFlag } from '../support/program.ts';

const source = new URL('../../src/terminal/daemon-options.ts', import.meta.url);

/** Files in the cache of a process that has loaded a module and still runs. */
async function written(act: string): Promise<number> {
  const cache = await mkdtemp(join(tmpdir(), 'quorate-compiled-'));
  onTestFinished(() => rm(cache, { recursive: true }));
  const script = `import { readdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
enableCompileCache(${JSON.stringify(cache)});
const { writeCompiledCode } = await import('${source}');
${act}
setTimeout(() => {
  const files = readdirSync(${JSON.stringify(cache)}, { recursive: true, withFileTypes: true });
  console.log(files.filter((entry) => entry.isFile()).length);
}, 50);`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    quietFlag,
    '--input-type=module',
    '-e',
    script,
  ]);
  return Number(stdout);
}

it('writes what was compiled while the process goes on, not when it is to end', async () => {
  expect(await written('')).toBe(0);
  expect(await written('writeCompiledCode(0);')).toBeGreaterThan(0);
});
