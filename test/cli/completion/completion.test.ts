import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { shapesOf } from '../../../src/cli/command-shapes.ts';
import { bashCompletion, fishCompletion, zshCompletion } from '../../../src/cli/completion/completion.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { shellWord } from '../../../src/protocol/base/shell-word.ts';

const shapes = shapesOf(createProgram(new AbortController().signal, () => {}));
const exec = promisify(execFile);

function makeFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-completion-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'a.bundle'), '');
  return dir;
}

/** Offers of a real bash after these words, the last one being completed; with what it falls back to for files. */
async function inBash(lines: string[][]): Promise<{ words: string[]; falls: string }[]> {
  const dir = makeFolder();
  writeFileSync(join(dir, 'quorate.bash'), bashCompletion(shapes));
  const asked = lines.map(
    (
      words,
    ) => `falls=; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_quorate; printf '%s|%s\\n' "$falls" "\${COMPREPLY[*]}"`,
  );
  // Outside of a completion compopt is an error: it tells what it was asked for instead.
  const script = `set -eu\ncompopt() { falls=$2; }\nsource quorate.bash\n${asked.join('\n')}\n`;
  const { stdout } = await exec('bash', ['--norc', '-c', script], { cwd: dir, timeout: 60_000 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [falls = '', words = ''] = line.split('|');
      return { words: words.split(' ').filter((word) => word !== ''), falls };
    });
}

describe('the completion of bash', () => {
  it('knows commands, their options, and what takes a file', async () => {
    const [top, run, on, trusted, options, value, file, folder, home, after] = await inBash([
      ['quorate', ''],
      ['quorate', 'ru'],
      ['quorate', 'on', ''],
      ['quorate', '--json', 'on', 'trusted', '--re'],
      ['quorate', 'verify', '--m'],
      ['quorate', 'on', 'trusted', '--ref', ''],
      ['quorate', 'verify', '--bundle', ''],
      ['quorate', 'fetch', 'bafy', '-o', ''],
      ['quorate', '--home', ''],
      ['quorate', 'on', 'trusted', '--ref', 'main', '--', ''],
    ]);
    expect(top?.words).toEqual(expect.arrayContaining(['init', 'run', 'on', 'verify', '--home', '--json']));
    expect(run?.words).toEqual(['run']);
    expect(on?.words).toEqual(expect.arrayContaining(['trusted', 'disputed', '--help']));
    expect(on?.words).not.toContain('run');
    expect(trusted?.words).toEqual(['--ref', '--recipe']);
    expect(options?.words).toEqual(['--max-age']);
    expect(value).toEqual({ words: [], falls: '' });
    expect(file).toEqual({ words: [], falls: 'default' });
    expect(folder).toEqual({ words: [], falls: 'dirnames' });
    expect(home).toEqual({ words: [], falls: 'dirnames' });
    expect(after).toEqual({ words: [], falls: 'default' });
  });

  it('is registered, and defines nothing else', async () => {
    const dir = makeFolder();
    writeFileSync(join(dir, 'quorate.bash'), bashCompletion(shapes));
    const { stdout } = await exec(
      'bash',
      ['--norc', '-c', 'source quorate.bash; complete -p quorate; declare -F'],
      {
        cwd: dir,
        env: { PATH: process.env.PATH },
      },
    );
    expect(stdout).toBe('complete -F _quorate quorate\ndeclare -f _quorate\n');
  });
});

describe('the completions of zsh and fish', () => {
  it('know every command and option that bash knows', () => {
    for (const script of [zshCompletion(shapes), fishCompletion(shapes)])
      for (const { path, options, commands } of shapes) {
        const named = path.join(' ');
        expect(script).toContain(script.startsWith('# fish') ? named : `${shellWord(named)})`);
        for (const { long } of options)
          expect(script).toContain(script.startsWith('# fish') ? `-l ${long.slice(2)}` : `'${long}:`);
        for (const { name } of commands) expect(script).toContain(name);
      }
  });
});
