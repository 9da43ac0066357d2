import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  dir,
  file,
  type LayerEntry,
  layoutOf,
  link,
  read,
  scratch,
  writeLayout,
} from '../../image/support.ts';

/** A folder of the machine that the attacker wants to write to, with one file in it. */
let victim: string;

beforeEach(async () => {
  victim = await scratch();
  await writeFile(join(victim, 'kept'), 'mine');
});

/** A tool that unpacks one layer after the other into a folder, by the paths in them. */
async function unpackNaively(layers: readonly (readonly LayerEntry[])[]): Promise<void> {
  const at = await scratch();
  for (const { name, type, linkname = '', body = '' } of layers.flat()) {
    const path = join(at, name);
    await mkdir(dirname(path), { recursive: true });
    if (type === 'symlink') await symlink(linkname, path);
    else if (type === 'directory') await mkdir(path, { recursive: true });
    else await writeFile(path, body);
  }
}

const attacks: [what: string, layers: () => (readonly LayerEntry[])[]][] = [
  ['a link of the layer below', () => [[link('esc', victim)], [file('esc/owned', 'x')]]],
  ['a link of the same layer', () => [[link('esc', victim), file('esc/kept', 'x')]]],
  [
    'a link of a link',
    () => [
      [dir('a'), link('a/up', '..'), link('esc', `a/up/${'../'.repeat(20)}${victim.slice(1)}`)],
      [file('esc/owned', 'x')],
    ],
  ],
];

describe('an image that leads out of its root', () => {
  it.each(attacks)('by %s writes nothing on the machine of who imports it', async (_, layers) => {
    const { list } = await read(await writeLayout(await layoutOf(layers())));
    expect(list.filter((line) => line.startsWith('esc ->') && / -> \//.test(line))).toEqual([]);
    expect(await readdir(victim)).toEqual(['kept']);
    expect(await readFile(join(victim, 'kept'), 'utf8')).toBe('mine');
  });

  it.each(attacks)('by %s does, where paths are followed on the disk (control)', async (_, layers) => {
    await unpackNaively(layers());
    const owned =
      (await readdir(victim)).includes('owned') || (await readFile(join(victim, 'kept'), 'utf8')) === 'x';
    expect(owned).toBe(true);
  });
});
