import { existsSync, watch } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { git } from '../e2e/support/git.ts';
import { until } from '../e2e/support/wait.ts';
import { realProject } from '../proof/support.ts';
import { project } from '../support/project.ts';
import { ctrlC, saying, stopped } from './support/interrupt.ts';
import { Person, said } from './support/person.ts';
import { provider } from './support/provider.ts';

const nobody = 'bafybeihpiyu6gtyikvqta4x33vaj7jjgpfqhid7c3uu7dgckf6g67x4qxm';

let person: Person;

beforeAll(async () => {
  person = await Person.arrive();
});

describe('Ctrl-C on fetch', () => {
  it('while it searches', async () => {
    const { where } = await provider(person.at('search'), 1000);
    const fetch = person.start(['fetch', nobody, '-o', person.at('got'), ...where]);
    await saying(fetch, 'looking for');
    await until('its folder', async () => (await person.litter()).length > 0);
    expect(await ctrlC(person, fetch)).toEqual({ code: 130, err: stopped });
    expect(existsSync(person.at('got'))).toBe(false);
  });

  it('while it downloads leaves no file, and the next try gets all', async () => {
    const { where, artifact } = await provider(person.at('half'), 12_000_000, { stallAt: 6_000_000 });
    const fetch = person.start(['fetch', artifact, '-o', person.at('got'), ...where]);
    await saying(fetch, 'fetching from');
    await until('some bytes', async () => (await person.litter()).some((name) => name.endsWith('.car')));
    expect(await ctrlC(person, fetch)).toEqual({ code: 130, err: stopped });
    expect((await readdir(person.dir)).filter((name) => name.includes('got'))).toEqual([]);

    const whole = await provider(person.at('whole'), 1_000_000);
    const again = await person.inside(['fetch', whole.artifact, '-o', person.at('got'), ...whole.where]);
    expect(again.code, again.report).toBe(0);
    expect(await readdir(person.at('got'))).toEqual(['data', 'readme']);
  });
});

describe('Ctrl-C on verify', () => {
  it('while it reads', async () => {
    const { bundleFile } = await realProject();
    const large = person.at('large');
    await writeFile(large, '');
    await truncate(large, 16 * 2 ** 30);
    const verify = person.start(['verify', large, '--bundle', bundleFile, '--project', project]);
    await saying(verify, 'reading');
    expect(await ctrlC(person, verify)).toEqual({ code: 130, err: stopped });
    expect(said(verify)).not.toContain('trusted');
  });
});

/** Resolves once this name has appeared in the folder. */
function appears(dir: string, name: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dir, (_, file) => {
      if (file !== name) return;
      watcher.close();
      resolve();
    });
  });
}

describe('Ctrl-C on init', () => {
  it('leaves a whole project, or none that a second one could not make whole', async () => {
    for (const file of ['root.key', 'charter.jws']) {
      const cwd = person.at(`repo-${file}`);
      await mkdir(join(cwd, '.quorate'), { recursive: true });
      await git(cwd, 'init', '--quiet');
      const made = appears(join(cwd, '.quorate'), file);
      const first = person.start(['init'], { cwd });
      await made;
      first.signal('SIGINT');
      await first.end();
      const second = await person.inside(['init'], { cwd });
      if (second.code !== 0) expect(second.err, second.report).toContain('error[PROJECT_EXISTS]');
      expect(existsSync(join(cwd, '.quorate', 'charter.jws'))).toBe(true);
      expect((await readdir(join(cwd, '.quorate'))).filter((name) => name.endsWith('.new'))).toEqual([]);
    }
  });

  it('between its keys and its charter: the second one goes on with those keys', async () => {
    const cwd = person.at('repo-half');
    await mkdir(cwd);
    await git(cwd, 'init', '--quiet');
    expect((await person.inside(['init'], { cwd })).code).toBe(0);
    const root = await readFile(join(cwd, '.quorate', 'root.key'), 'utf8');
    await rm(join(cwd, '.quorate', 'charter.jws'));
    await rm(join(cwd, '.quorate', 'idp.key'));
    const second = await person.inside(['init'], { cwd });
    expect(second.code, second.report).toBe(0);
    expect(await readFile(join(cwd, '.quorate', 'root.key'), 'utf8')).toBe(root);
  });
});

describe('a second Ctrl-C', () => {
  it('ends it at once', async () => {
    const { where, artifact } = await provider(person.at('twice'), 6_000_000, { stallAt: 3_000_000 });
    const fetch = person.start(['fetch', artifact, '-o', person.at('twice-got'), ...where]);
    await saying(fetch, 'fetching from');
    fetch.signal('SIGINT');
    fetch.signal('SIGINT');
    const { code } = await fetch.end();
    expect(code).toBe(130);
  });
});
