import { mkdir, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { codeIn, Person } from '../../bad-input/support/person.ts';
import { git } from '../../e2e/support/git.ts';
import { file, layoutOf, link, savedOf, writeLayout, writeTarOf } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';

async function arrive(): Promise<Person> {
  const person = await Person.arrive();
  vi.stubEnv('TMPDIR', person.tmp);
  return person;
}

/** Files that commands have left, without the images of this file. */
const litter = async (person: Person) =>
  (await person.litter()).filter((name) => !name.startsWith('quorate-test-image-'));

describe('quorate image', () => {
  it('imports an image, says what to write, lists it, and removes it', async () => {
    const person = await arrive();
    const layers = [smallSystem(), [file('etc/made', 'here')]];
    const made = await person.run(['image', 'import', await writeLayout(await layoutOf(layers))]);
    expect(made.code, made.report).toBe(0);
    expect(made.out).toMatch(/^unpacking its layers: .* of .*\nstoring its files: .* of .*\n/);
    const [, cid = ''] = /^image (bafybei\w+)\n/m.exec(made.out) ?? [];
    expect(made.out).toContain(`    image: ${cid}\n`);
    expect(made.out).toMatch(/^\d+(\.\d)? MiB in \d+ files$/m);
    // Of an import that was killed long ago, and of one that runs.
    const [old, young] = ['x.car.1.new', 'y.car.2.new'].map((name) => person.at('home', 'images', name));
    for (const left of [old, young]) await writeFile(String(left), 'half');
    await utimes(String(old), 1, 1);
    const again = await person.inside(['image', 'import', await writeTarOf(await savedOf(layers)), '--json']);
    const events = again.out.split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)));
    expect(events.slice(0, 2)).toEqual([
      expect.objectContaining({ event: 'progress', says: 'unpacking its layers' }),
      expect.objectContaining({ event: 'progress', says: 'storing its files', bytes: expect.any(Number) }),
    ]);
    expect(events.at(-1)).toMatchObject({ image: cid, files: expect.any(Number) });
    expect(await readdir(person.at('home', 'images'))).toEqual([`${cid}.car`, `${cid}.json`, 'y.car.2.new']);
    expect((await person.inside(['image', 'list'])).out).toContain(cid);
    const ready = person.at('home', 'image-cache', cid);
    await mkdir(ready, { recursive: true });
    await writeFile(`${ready}/tree.bytes`, '4096');
    const listed = (await person.inside(['image', 'list', '--json'])).out;
    expect(JSON.parse(listed)).toMatchObject({
      images: [{ image: cid }],
      ready: [{ image: cid, bytes: 4096 }],
    });
    expect((await person.inside(['image', 'list'])).out).toContain('Ready to be built in, in ');
    await writeFile(`${ready}/using-${process.pid}-x`, '');
    expect(codeIn((await person.inside(['image', 'remove', cid])).err)).toBe('IMAGE_IN_USE');
    await rm(`${ready}/using-${process.pid}-x`);
    expect((await person.inside(['image', 'remove', cid])).code).toBe(0);
    expect(await readdir(person.at('home', 'image-cache'))).toEqual([]);
    expect((await person.inside(['image', 'list'])).out).toBe('none\n');
    expect(await litter(person)).toEqual([]);
  });

  it('keeps those of a project in the project', async () => {
    const person = await arrive();
    const repo = person.at('repo');
    await mkdir(repo);
    expect((await person.inside(['init', '--name', 'x'], { cwd: repo })).code).toBe(2);
    await git(repo, 'init', '-q', '-b', 'main');
    const begun = await person.inside(['init', '--name', 'x', '--vcs', 'git.example'], { cwd: repo });
    expect(begun.code, begun.report).toBe(0);
    const at = await writeLayout(await layoutOf([smallSystem()]));
    expect((await person.inside(['image', 'import', at], { cwd: repo })).code).toBe(0);
    expect(await readdir(person.at('repo', '.quorate', 'images'))).toHaveLength(2);
  });

  it('refuses one that nothing can be built in, and says what is missing', async () => {
    const person = await arrive();
    const attempt = async (at: string) => {
      const { code, err } = await person.inside(['image', 'import', at]);
      expect(code).toBe(2);
      return err;
    };
    const layout = async (layers: Parameters<typeof layoutOf>[0]) => writeLayout(await layoutOf(layers));
    const busybox = [
      ...smallSystem(['tar']),
      file('usr/bin/busybox', 'BusyBox', 0o755),
      link('usr/bin/tar', 'busybox'),
    ];
    const loop = [...smallSystem(['dash']), link('usr/bin/dash', 'sh')];
    const cut = await writeTarOf(await savedOf([smallSystem()]));
    await truncate(cut, 100_000);
    const unfit = await Promise.all([[smallSystem(['setpriv', 'env'])], [busybox], [loop]].map(layout));
    const [lacking = '', noTar, noShell, broken = ''] = await Promise.all([...unfit, cut].map(attempt));
    expect(codeIn(lacking)).toBe('IMAGE_UNFIT');
    expect(lacking).toMatch(/env \(coreutils\), setpriv \(util-linux/);
    expect(noTar).toContain('lacks GNU tar');
    expect(noShell).toContain('lacks /bin/sh');
    expect(codeIn(broken)).toBe('IMAGE_INVALID');
    expect(await readdir(person.at('home')).catch(() => [])).toEqual([]);
    expect(await litter(person)).toEqual([]);
  });
});
