import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openHome } from '../../../src/node/membership/home.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';

const membership = (project: string): Membership => ({
  project,
  name: 'tools',
  operator: 'ada',
  role: 'worker',
  charter: 'a.b.c',
  grant: 'd.e.f',
  controllers: [{ id: 'x', addrs: ['/ip4/127.0.0.1/tcp/1/p2p/x'] }],
  bootstrap: [],
});

describe('a home', () => {
  it('makes its key on first use, once, for its owner only', async () => {
    const home = openHome(join(await folder(), 'home'));
    expect(home.hasKey()).toBe(false);
    const { id } = await home.key();
    const changed = async () => (await stat(home.dir, { bigint: true })).mtimeNs;
    const before = await changed();
    expect((await home.key()).id).toBe(id);
    expect(await changed(), 'no other key was made').toBe(before);
    expect((await openHome(home.dir).key()).id).toBe(id);
    expect((await stat(join(home.dir, 'node.key'))).mode & 0o777).toBe(0o600);
  });

  it('gives both who ask for the first key at the same time the same one', async () => {
    const dir = join(await folder(), 'home');
    const [a, b] = await Promise.all([openHome(dir).key(), openHome(dir).key()]);
    expect(a.id).toBe(b.id);
    expect((await openHome(dir).key()).id).toBe(a.id);
  });

  it('knows its only project, and asks which when there are several', async () => {
    const home = openHome(await folder());
    await expect(home.membership()).rejects.toMatchObject({
      code: 'MEMBERSHIP_NOT_FOUND',
      message: `${home.dir} belongs to no project yet`,
      hint: expect.not.stringContaining('quorate project list'),
    });
    await home.save(membership('one'));
    // One that was forgotten meanwhile.
    await symlink('nowhere', join(home.dir, 'projects', 'gone.json'));
    expect(await home.membership()).toEqual(membership('one'));
    await home.save({ ...membership('one'), operator: 'bea' });
    expect((await home.membership()).operator).toBe('bea');
    await home.save(membership('two'));
    expect(await codeOf(() => home.membership())).toBe('MEMBERSHIP_AMBIGUOUS');
    expect((await home.membership('two')).project).toBe('two');
    await expect(home.membership('three')).rejects.toMatchObject({
      code: 'MEMBERSHIP_NOT_FOUND',
      message: `${home.dir} does not belong to project three`,
      hint: expect.stringContaining('quorate project list'),
    });
  });

  it('names the projects it may mean, takes a name for one, and forgets one', async () => {
    const home = openHome(await folder());
    await home.save({ ...membership('one'), name: 'tools' });
    await home.save({ ...membership('two'), name: 'docs' });
    await home.save({ ...membership('three'), name: 'docs' });
    await expect(home.membership()).rejects.toMatchObject({
      message: expect.stringMatching(/ 3 projects: tools \(one\), docs \(three\), docs \(two\)$/),
      hint: expect.stringContaining('--project tools.'),
    });
    await expect(home.membership('docs')).rejects.toMatchObject({
      hint: expect.stringContaining('--project three.'),
    });
    expect((await home.membership('tools')).project).toBe('one');
    await expect(home.membership('docs')).rejects.toThrow(/ 2 projects: docs \(three\), docs \(two\)$/);
    await writeFile(join(home.dir, 'worker-two.db'), '');
    await home.forget('two');
    expect((await home.membership('docs')).project).toBe('three');
    expect(existsSync(join(home.dir, 'worker-two.db'))).toBe(false);
  });

  it('that cannot be changed says so when it is to forget', async () => {
    const home = openHome(await folder());
    await mkdir(join(home.dir, 'projects', 'one.json'), { recursive: true });
    expect(await codeOf(() => home.forget('one'))).toBe('HOME_UNWRITABLE');
    await home.forget('two');
  });

  it.each([
    ['cut', '{"project": "one", "na'],
    ['of another shape', '{"project": "one"}'],
    ['with a role nobody has', JSON.stringify({ ...membership('one'), role: 'emperor' })],
  ])('says so when what it knows is %s', async (_, text) => {
    const home = openHome(await folder());
    await home.save(membership('one'));
    await writeFile(join(home.dir, 'projects', 'one.json'), text);
    expect(await codeOf(() => home.membership())).toBe('HOME_DAMAGED');
    expect(await readFile(join(home.dir, 'projects', 'one.json'), 'utf8')).toBe(text);
  });
});
