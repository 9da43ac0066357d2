import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ControllerContext } from '../../src/controller/node/context.ts';
import { otherKeys } from '../../src/controller/node/folder-charter.ts';
import { initProject, openProjectFolder, type ProjectFolder } from '../../src/owner/project-folder.ts';
import { dropOldIdps, rotateController, rotateIdp, rotateTrusted } from '../../src/owner/rotate.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { loopbackController } from '../support/controller.ts';
import { testKey } from '../support/documents.ts';

const project = async (): Promise<ProjectFolder> =>
  initProject(await folder(), { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });

const kept = ({ dir }: ProjectFolder, id: string): string => join(dir, 'keys', `${id}.key`);

describe('another key of the controller', () => {
  it('is named by the next charter, for the log too, and is the one that signs from then on', async () => {
    const made = await project();
    const { now, key, old } = await rotateController(made);
    expect(old).toBe(made.controller.id);
    expect(now).toMatchObject({
      epoch: 2,
      controllers: [key],
      log: key,
      idps: [made.idp.id],
      vcs: ['git.example.org'],
    });
    const opened = await openProjectFolder(made.dir);
    expect(opened.controller.id).toBe(key);
    expect(opened.retired.map(({ id }) => id)).toEqual([old]);
    expect(await readdir(join(made.dir, 'keys'))).toEqual([`${old}.key`]);
  });

  it.each(['before the files are named', 'after the first of them'])(
    'is found where the command was interrupted %s',
    async (when) => {
      const made = await project();
      const { key, old } = await rotateController(made);
      // As it was before.
      const file = join(made.dir, 'controller.key');
      await rename(file, kept(made, key));
      if (when.startsWith('before')) await rename(kept(made, old), file);
      const opened = await openProjectFolder(made.dir);
      expect(opened.controller.id).toBe(key);
      expect(opened.retired.map(({ id }) => id)).toEqual([old]);
      const next = await rotateController(opened);
      expect((await openProjectFolder(made.dir)).controller.id).toBe(next.key);
      expect((await readdir(join(made.dir, 'keys'))).sort()).toEqual([`${key}.key`, `${old}.key`].sort());
    },
  );

  it('that no charter names is not used: the one before stays', async () => {
    const made = await project();
    await mkdir(join(made.dir, 'keys'));
    const other = await project();
    await rename(join(other.dir, 'controller.key'), kept(made, other.controller.id));
    expect((await openProjectFolder(made.dir)).controller.id).toBe(made.controller.id);
  });

  it('is missed where it is not at hand', async () => {
    const made = await project();
    const { old } = await rotateController(made);
    await rename(kept(made, old), join(made.dir, 'controller.key'));
    expect(await codeOf(() => openProjectFolder(made.dir))).toBe('CONTROLLER_KEY_MISSING');
  });

  it('needs the root key, and leaves nothing behind without it', async () => {
    const made = await project();
    await rm(join(made.dir, 'root.key'));
    const opened = await openProjectFolder(made.dir);
    expect(await codeOf(() => rotateController(opened))).toBe('CHARTER_NEEDS_ROOT');
    expect(await readdir(made.dir)).not.toContain('keys');
  });
});

describe('another key of the identity provider', () => {
  it('is named first, and the one before until it is dropped', async () => {
    const made = await project();
    const { now, key, old } = await rotateIdp(made, { atOnce: false });
    expect(now.idps).toEqual([key, old]);
    const opened = await openProjectFolder(made.dir);
    expect(opened.idp.id).toBe(key);
    expect((await dropOldIdps(opened)).now).toMatchObject({ epoch: 3, idps: [key] });
    expect((await dropOldIdps(opened)).now.epoch).toBe(3);
  });

  it('is named alone where the one before was stolen', async () => {
    const { now, key } = await rotateIdp(await project(), { atOnce: true });
    expect(now.idps).toEqual([key]);
  });

  it('has room for as many as a charter takes', async () => {
    const made = await project();
    const again = async () => rotateIdp(await openProjectFolder(made.dir), { atOnce: false });
    for (let n = 1; n < 8; n++) await again();
    expect(await codeOf(again)).toBe('IDPS_FULL');
  });
});

describe('trusted workers', () => {
  const [a, b] = [testKey('a').id, testKey('b').id];

  it('are named and left out', async () => {
    const made = await project();
    expect((await rotateTrusted(made, { add: [a, b], remove: [] })).now.trusted).toEqual([a, b]);
    expect((await rotateTrusted(made, { add: [], remove: [a] })).now).toMatchObject({
      epoch: 3,
      trusted: [b],
    });
    expect((await rotateTrusted(made, { add: [b], remove: [] })).now.epoch).toBe(3);
  });

  it('are none of those that they check, and none that nobody named', async () => {
    const made = await project();
    const add = (key: string) => codeOf(() => rotateTrusted(made, { add: [key], remove: [] }));
    expect(await add(made.controller.id)).toBe('TRUSTED_KEY_NOT_APART');
    expect(await codeOf(() => rotateTrusted(made, { add: [], remove: [a] }))).toBe('TRUSTED_KEY_NOT_NAMED');
  });
});

describe('a controller that runs while its identity provider is replaced', () => {
  const isOther = (folder: ProjectFolder, charter: object) =>
    otherKeys({
      folder,
      machine: { state: { charter: { payload: charter } } },
    } as unknown as ControllerContext);

  it('goes on with the new key where that is at hand, and with the one before where it is not', async () => {
    const made = await project();
    const { now, key, old } = await rotateIdp(made, { atOnce: false });
    expect(await isOther(made, now)).toBe(true);
    expect(await isOther(await openProjectFolder(made.dir), now)).toBe(false);
    // The charter was signed elsewhere, and the key stayed there: another start would find what this one has.
    await rename(kept(made, old), join(made.dir, 'idp.key'));
    expect(await isOther(made, now)).toBe(false);
    const { idp } = await openProjectFolder(made.dir);
    expect([idp.id, now.idps]).toEqual([old, [key, old]]);
    // Control: one that the charter does not name at all.
    expect(await isOther(made, { ...now, idps: [key] })).toBe(true);
  });
});

describe('a controller whose charter.jws is a copy of before', () => {
  it.each<[string, (made: ProjectFolder) => Promise<unknown>]>([
    ['the key that it names then', async () => {}],
    // Signed on the copy, it has the epoch of the one in force.
    [
      'another charter of the same epoch',
      (made) => rotateTrusted(made, { add: [testKey('t').id], remove: [] }),
    ],
  ])('does not go on with %s: the journal has the charter in force', async (_what, change) => {
    const made = await project();
    const file = join(made.dir, 'charter.jws');
    const copy = await readFile(file);
    const { key } = await rotateController(made);
    await (await loopbackController(await openProjectFolder(made.dir))).close();
    const inForce = await readFile(file, 'utf8');
    await writeFile(file, copy);
    await change(made);
    await (await loopbackController(await openProjectFolder(made.dir))).close();
    expect(await readFile(file, 'utf8')).toBe(inForce);
    expect((await openProjectFolder(made.dir)).controller.id).toBe(key);
    // Control: a newer one stays.
    await rotateTrusted(await openProjectFolder(made.dir), { add: [testKey('t').id], remove: [] });
    const newer = await readFile(file, 'utf8');
    await (await loopbackController(await openProjectFolder(made.dir))).close();
    expect(await readFile(file, 'utf8')).toBe(newer);
  });
});
