import { describe, expect, it } from 'vitest';
import { debianSources, makeDebianRoot } from '../../src/image/index.ts';
import { scratch } from './support.ts';

const signal = AbortSignal.timeout(300_000);

describe('an image of Debian packages', () => {
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
