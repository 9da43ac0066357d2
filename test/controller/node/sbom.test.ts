import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { openSboms, type SbomPorts } from '../../../src/controller/node/sbom.ts';
import { decodeBundle } from '../../../src/protocol/documents/index.ts';
import { encodeIndex, makeIndex } from '../../../src/protocol/lock-formats/index.ts';
import { store } from '../../store/support.ts';
import { verdictOn } from '../../store-node/node/support.ts';
import { project } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto } from '../../transfer/support.ts';

const vectors = new URL('../../vectors/bundle/valid.json', import.meta.url);
const artifact = 'the artifact';

/** Lists of what one artifact was made from, and how often one was about to be made. */
async function sboms(over: Partial<SbomPorts> = {}) {
  const [vector] = JSON.parse(await readFile(vectors, 'utf8')) as { raw: string }[];
  const text = vector?.raw ?? '';
  const [, charter = ''] = decodeBundle(text).charter.split('.');
  const told = { level: 'agreed', made: 0 };
  const lists = openSboms({
    project: JSON.parse(Buffer.from(charter, 'base64url').toString()).iss,
    bundles: { get: async () => text, size: async () => text.length },
    store: {} as never,
    revocations: () => [],
    level: () => told.level,
    ...over,
  });
  return { told, get: () => lists.get(artifact, '1', () => void told.made++) };
}

describe('the list of what an artifact was made from', () => {
  it('is made once for the same evidence, for all who ask at once too', async () => {
    const { told, get } = await sboms();
    const all = await Promise.all([get(), get(), get()]);
    expect(all[0]).toContain('"bomFormat": "CycloneDX"');
    expect([...new Set(all)]).toHaveLength(1);
    await get();
    expect(told.made).toBe(1);
    told.level = 'revoked';
    await get();
    expect(told.made).toBe(2);
  });

  it('names what the job depends on, from the index in the store', async () => {
    const own = await store();
    const integrity = `sha512-${'A'.repeat(86)}==`;
    const packages = { 'node_modules/left-pad': { version: '1.0.0', integrity } };
    const lock = Buffer.from(JSON.stringify({ lockfileVersion: 3, packages }));
    const locks = ['package-lock.json'];
    const of = { locks, files: new Map([['package-lock.json', lock]]), arch: 'x86_64' as const };
    const index = encodeIndex(makeIndex(of, () => ({ sha256: '12'.repeat(32), size: 1 })));
    const tree = await importInto(own, [{ name: 'index.json', body: Buffer.from(index.bytes).toString() }]);
    const { text } = await verdictOn(tree, { job: { dependencies: { locks, tree } } });
    const bundles = { get: async () => text, size: async () => text.length };
    const { get } = await sboms({ project, bundles, store: own });
    expect(await get()).toContain('"purl": "pkg:npm/left-pad@1.0.0"');
  });

  it('that takes too long is given up, and not begun again', async () => {
    const { told, get } = await sboms({ seconds: 0.001 });
    for (let n = 0; n < 2; n++) await expect(get()).rejects.toMatchObject({ code: 'EXPORT_TOO_LARGE' });
    expect(told.made).toBe(1);
  });

  it('is kept with so many others', async () => {
    withLimits(controllerNodeLimits, { sbomsKeptMax: 2 });
    const { told, get } = await sboms({ seconds: 0.001 });
    const asked = async (level: string) => {
      told.level = level;
      const before = told.made;
      await get().catch(() => {});
      return told.made - before;
    };
    const made = [];
    for (const level of ['a', 'b', 'a', 'b', 'a', 'c', 'a', 'b']) made.push(await asked(level));
    expect(made).toEqual([1, 1, 0, 0, 0, 1, 0, 1]);
  });

  it('stays as long as all of them are no longer than a bound, the one that was asked for last in any case', async () => {
    const { told, get } = await sboms();
    const from = async (levels: string, sbomCharsMax: number) => {
      withLimits(controllerNodeLimits, { sbomCharsMax });
      const before = told.made;
      let length = 0;
      for (const level of levels) {
        told.level = level;
        length = (await get())?.length ?? 0;
      }
      return { made: told.made - before, length };
    };
    const { made, length } = await from('aa', 1);
    expect([made, (await from('ba', 2 * length - 1)).made, (await from('ba', 2 * length)).made]).toEqual([
      ...[1, 2, 1],
    ]);
  });

  it('that fails is asked for again', async () => {
    const { told, get } = await sboms({
      bundles: { get: async () => '{}', size: async () => 2 },
    });
    for (let n = 0; n < 2; n++) await expect(get()).rejects.toThrow(Error);
    expect(told.made).toBe(2);
  });

  it('without evidence is none, and asked for again', async () => {
    const { told, get } = await sboms({
      bundles: { get: async () => undefined, size: async () => undefined },
    });
    expect([await get(), await get()]).toEqual([undefined, undefined]);
    expect(told.made).toBe(2);
  });
});
