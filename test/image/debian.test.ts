import { describe, expect, it } from 'vitest';
import { debianSources, makeDebianRoot } from '../../src/image/index.ts';
import { checkImageRequirements } from '../../src/runtime/images/requirements.ts';
import { isRoot } from '../support/needs.ts';
import { newStore, scratch } from './support.ts';

const signal = AbortSignal.timeout(300_000);

describe('an image of Debian packages', () => {
  it.skipIf(!isRoot)(
    'as root: is one that builds fit in, without what differs from one making to the next',
    async () => {
      const store = await newStore();
      const options = { suite: 'trixie', include: [], mirrors: [], onLine: () => {}, signal };
      const tar = await makeDebianRoot({ ...options, scratch: await scratch() });
      const { root } = await store.importTar(tar, { into: store.public, rules: 'image' });
      await checkImageRequirements(store, root);
      for (const path of ['var/cache', 'var/log', 'etc/machine-id', 'etc/resolv.conf']) {
        const below: string[] = [];
        const found = await store.resolve(root, path, { rules: 'image' });
        if (found?.kind === 'dir') for await (const { path: name } of store.list(found.cid)) below.push(name);
        else expect(found, path).toBeUndefined();
        expect(below, path).toEqual([]);
      }
    },
  );

  it('comes from where apt takes packages here, of its suite and no other', () => {
    const list = [
      'deb http://mirror.example trixie main',
      '# deb http://mirror.example trixie main',
      'deb [arch=amd64 signed-by=/x] http://mirror.example trixie-security main contrib',
      'deb-src http://mirror.example trixie main',
      'deb http://mirror.example sid main',
    ];
    expect(debianSources(list.join('\n'), 'trixie', 'list')).toEqual([list[0], list[2]]);
    const stanzas = [
      'Types: deb deb-src\nURIs: http://mirror.example\nSuites: trixie trixie-updates sid\nSigned-By:\n -----BEGIN\n .\n x',
      'Types: deb-src\nURIs: http://mirror.example\nSuites: trixie',
      'Enabled: no\nTypes: deb\nURIs: http://mirror.example\nSuites: trixie',
      '# of this machine\nTypes: deb\nURIs: file:/x\nSuites: ./',
    ];
    expect(debianSources(stanzas.join('\n\n'), 'trixie', 'deb822')).toEqual([
      'Types: deb\nURIs: http://mirror.example\nSuites: trixie trixie-updates\nSigned-By:\n -----BEGIN\n .\n x',
    ]);
  });

  it('is refused for a suite that apt does not know, and fails with what the tool says', async () => {
    const options = { include: [], onLine: () => {}, signal };
    await expect(
      makeDebianRoot({ ...options, suite: 'nowhere', mirrors: [], scratch: await scratch() }),
    ).rejects.toMatchObject({ code: 'IMAGE_NO_MIRROR' });
    const mirrors = [`file://${await scratch()}`];
    await expect(
      makeDebianRoot({ ...options, suite: 'trixie', mirrors, scratch: await scratch() }),
    ).rejects.toMatchObject({ code: 'IMAGE_TOOL_FAILED' });
  });
});
