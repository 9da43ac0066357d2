import { Version } from '@cyclonedx/cyclonedx-library/Spec';
import { JsonStrictValidator } from '@cyclonedx/cyclonedx-library/Validation';
import { PackageURL } from 'packageurl-js';
import { describe, expect, it } from 'vitest';
import { jsonPage } from '../../../src/protocol/base/escape.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { cidDigestHex, encodeJob, type Job } from '../../../src/protocol/documents/index.ts';
import { type BomParts, makeBom, makeProvenance } from '../../../src/protocol/interop/index.ts';
import { digestsOf } from '../../../src/protocol/interop/packages.ts';
import {
  type DependencyBlob,
  type DependencyIndex,
  makeIndex,
} from '../../../src/protocol/lock-formats/index.ts';
import type { VerifiedFacts } from '../../../src/protocol/trust/index.ts';
import { cidOf, commit, makeJob, policy, project, repo } from '../../support/documents.ts';
import { host, sha256, sha512 } from '../lock-formats/support.ts';

const zeros = (bytes: number) => '00'.repeat(bytes);
const h1 = `h1:${'A'.repeat(43)}=`;
const locks: Record<string, string> = {
  'package-lock.json': JSON.stringify({
    lockfileVersion: 3,
    packages: {
      'node_modules/@babel/core': { version: '7.0.0-beta.4', integrity: sha512 },
      'node_modules/JSONStream': { version: '1.3.5', integrity: sha512 },
    },
  }),
  'Cargo.lock': `version = 4
[[package]]
name = "serde_json"
version = "1.0.0+build"
source = "registry+${host}/crates.io-index"
checksum = "${sha256}"
[[package]]
name = "own"
version = "0.1.0"
source = "sparse+${host}/own/"
checksum = "${sha256}"
`,
  'go.sum': `github.com/Masterminds/semver v1.5.0+incompatible ${h1}
github.com/Masterminds/semver v1.5.0+incompatible/go.mod ${h1}
golang.org/x/text v0.3.0/go.mod ${h1}
`,
  'requirements.txt': `Flask_SQLAlchemy==3.1.1 --hash=sha256:${sha256} --hash=sha256:${zeros(32)}\n`,
  'quorate.lock': `quorate-lock 1
pkg:generic/model.bin model.bin sha256:${sha256} ${host}/model.bin
pkg:pypi/flask-sqlalchemy@3.1.1 flask_sqlalchemy-3.1.1-py3-none-any.whl sha256:${sha256}
pkg:pypi/flask-sqlalchemy@3.1.1 flask_sqlalchemy-3.1.1.tar.gz sha256:${zeros(32)}
`,
};
const index: DependencyIndex = makeIndex(
  {
    locks: Object.keys(locks),
    files: new Map(Object.entries(locks).map(([path, text]) => [path, toUtf8(text)])),
    arch: 'x86_64',
  },
  ({ integrity }) => ({
    size: 3,
    sha256: integrity.algorithm === 'sha256' ? (integrity.digests[0] ?? '') : sha256,
  }),
);

/** Verified facts of an artifact of this job. */
function parts(over: Partial<Job> = {}, more: Partial<VerifiedFacts> = {}, of = index): BomParts {
  const job = makeJob({
    inputs: { lib: cidOf('lib') },
    dependencies: { locks: ['package-lock.json'], tree: cidOf('dependencies') },
    ...over,
  });
  const facts: VerifiedFacts = {
    name: job.name,
    job: encodeJob(job).id,
    kind: 'build',
    request: 'ab'.repeat(32),
    index: 4,
    publisher: 'ada',
    repo,
    ref: 'refs/heads/main',
    commit,
    policy,
    artifact: cidOf('app'),
    files: [{ path: 'bin/app', sha256: 'cd'.repeat(32) }],
    operators: ['ada', 'ben'],
    dissent: [],
    cosigners: [],
    earlier: null,
    recipe: null,
    inputs: { lib: { artifact: cidOf('lib'), level: 'agreed' }, test: { artifact: null, level: 'agreed' } },
    time: '2026-01-02T03:04:05.000Z',
    witnesses: { operators: [], named: [] },
    witnessed: null,
    place: 'controller',
    requested: '2026-01-02T03:00:00.000Z',
    ...more,
  };
  return { project, facts, job, index: of, level: 'agreed', tool: '0.1.0' };
}

const faults = async (given: BomParts) =>
  new JsonStrictValidator(Version.v1dot6).validate(jsonPage(makeBom(given)));

describe('a bill of materials', () => {
  it('is CycloneDX 1.6, whatever there is to list', async () => {
    expect(await faults(parts())).toBeNull();
    const { dependencies: _, ...bare } = parts().job;
    expect(await faults({ ...parts(), job: bare, index: undefined })).toBeNull();
    expect(await faults(parts({ image: 'host', inputs: {} }, { inputs: {}, files: [] }))).toBeNull();
    const odd = { repo: 'git@host.example:a b/\u001b[2J', files: [{ path: '"\u202e', sha256 }] };
    expect(await faults(parts({}, odd))).toBeNull();
    const wrong = { ...makeBom(parts()), serialNumber: 'none' };
    expect(await new JsonStrictValidator(Version.v1dot6).validate(JSON.stringify(wrong))).not.toBeNull();
  });

  it('names each package as the standard of package URLs has it', () => {
    const { components } = makeBom(parts());
    const packages = components.filter(({ type }) => type === 'library');
    expect(packages.map(({ purl }) => purl)).toEqual([
      `pkg:cargo/own@0.1.0?repository_url=sparse%2B${host}/own/`,
      'pkg:cargo/serde_json@1.0.0%2Bbuild',
      'pkg:generic/model.bin',
      'pkg:golang/github.com/Masterminds/semver@v1.5.0%2Bincompatible',
      'pkg:golang/golang.org/x/text@v0.3.0',
      'pkg:npm/%40babel/core@7.0.0-beta.4',
      'pkg:npm/JSONStream@1.3.5',
      'pkg:pypi/flask-sqlalchemy@3.1.1',
    ]);
    for (const { purl = '', group, name, version } of packages) {
      const read = PackageURL.fromString(purl);
      const full = [read.namespace, read.name].filter(Boolean).join('/');
      // That library has no capitals in names of npm. The registry has: JSONStream and jsonstream are two packages.
      const own = [group, name].filter(Boolean).join('/');
      expect(read.type === 'npm' ? own.toLowerCase() : own).toBe(full);
      expect(version).toBe(read.version);
    }
    expect(PackageURL.fromString(makeBom(parts()).metadata.component.purl ?? '').qualifiers).toEqual({
      vcs_url: `git+${repo}@${commit}`,
    });
  });

  it('names the repository as group and reference, where it has a name and is an address', () => {
    const of = (address: string) => makeBom(parts({}, { repo: address })).metadata.component;
    expect(of('https://git.example/team/app.git')).toMatchObject({
      group: 'app',
      purl: expect.stringMatching(/^pkg:generic\/app\/app@/),
      externalReferences: [
        {
          type: 'vcs',
          url: 'https://git.example/team/app.git',
          comment: `refs/heads/main, commit ${commit}`,
        },
      ],
    });
    expect(of('git@git.example:')).not.toHaveProperty('group');
    expect(of('git@git.example:')).not.toHaveProperty('externalReferences');
    expect(of('git@git.example:').purl).toMatch(/^pkg:generic\/app@/);
    expect(() => makeBom(parts({}, { artifact: null }))).toThrow(/of an artifact only/);
  });

  it.each<[DependencyBlob['integrity'], object]>([
    [{ algorithm: 'sha512', digests: [zeros(64)] }, { sha512: zeros(64) }],
    [{ algorithm: 'dirhash', digests: [zeros(32)] }, { dirHash: zeros(32) }],
    [{ algorithm: 'sha512', digests: [zeros(64), '11'.repeat(64)] }, {}],
    [{ algorithm: 'sha256', digests: [zeros(32)] }, {}],
    [{ algorithm: 'sha384', digests: [] }, {}],
  ])('of the hashes %j of a lock file says those of the file itself', (integrity, more) => {
    const blob = { purl: 'pkg:npm/a@1', file: 'a', integrity, sha256, size: 1 };
    expect(digestsOf(blob)).toStrictEqual({ sha256, ...more });
  });

  it('has the hashes that workers compared, and of several files each with its own', () => {
    const { components } = makeBom(parts());
    const of = (start: string) => components.find((one) => one.purl?.startsWith(start));
    expect(of('pkg:npm/JSONStream')).toMatchObject({
      hashes: [
        { alg: 'SHA-256', content: sha256 },
        { alg: 'SHA-512', content: zeros(64) },
      ],
      properties: [{ name: 'quorate:file', value: 'JSONStream-1.3.5.tgz' }],
    });
    expect(of('pkg:golang/github.com')).toMatchObject({
      components: [
        { name: 'v1.5.0+incompatible.mod', properties: [{ name: 'quorate:go.sum', value: h1 }] },
        { name: 'v1.5.0+incompatible.zip', hashes: [{ alg: 'SHA-256', content: sha256 }] },
      ],
    });
    expect(of('pkg:golang/github.com')).not.toHaveProperty('hashes');
    expect(of('pkg:pypi')?.components?.[0]).not.toHaveProperty('properties');
    expect(of('pkg:golang/github.com')).not.toHaveProperty('scope');
    // Only its go.mod is there: none of its code is in the build.
    expect(of('pkg:golang/golang.org')).toMatchObject({ scope: 'excluded', components: [{ type: 'file' }] });
    expect(of('pkg:pypi')?.components?.map(({ hashes }) => hashes)).toEqual([
      [{ alg: 'SHA-256', content: sha256 }],
      [{ alg: 'SHA-256', content: zeros(32) }],
    ]);
  });

  it('names the artifact with its level, its image and what other jobs made; a test that it waited for is no part', () => {
    const { metadata, components, dependencies } = makeBom(parts());
    const { component } = metadata;
    const said = Object.fromEntries(component.properties?.map(({ name, value }) => [name, value]) ?? []);
    expect(said).toMatchObject({
      'quorate:artifact': cidOf('app'),
      'quorate:level': 'agreed',
      'quorate:project': project,
      'quorate:repository': repo,
      'quorate:commit': commit,
      'quorate:dependencies': cidOf('dependencies'),
    });
    expect(component.hashes).toEqual([{ alg: 'SHA-256', content: cidDigestHex(cidOf('app')) }]);
    expect(component.components).toMatchObject([{ type: 'file', name: 'bin/app' }]);
    expect(components.filter(({ type }) => type !== 'library')).toMatchObject([
      { type: 'container', version: cidOf('image') },
      { type: 'application', name: 'lib', version: cidOf('lib') },
    ]);
    expect(dependencies).toEqual([{ ref: 'artifact', dependsOn: components.map((one) => one['bom-ref']) }]);
  });

  it('says which job file made it, where that is not of the repository', () => {
    const recipe = { repo: 'https://git.example/recipes', commit, path: 'app.yaml', sha256 };
    const given = parts({}, { recipe });
    const value = `https://git.example/recipes@${commit}:app.yaml`;
    const { properties } = makeBom(given).metadata.component;
    expect(properties).toContainEqual({ name: 'quorate:recipe', value });
    const { buildDefinition } = makeProvenance(given).predicate;
    expect(buildDefinition.externalParameters).toMatchObject({ repository: repo, recipe: value });
  });

  it('calls itself complete only where the build could read nothing else', () => {
    const aggregate = (job: Partial<Job>) => makeBom(parts(job)).compositions[0]?.aggregate;
    expect(aggregate({})).toBe('complete');
    expect(aggregate({ image: 'host' })).toBe('incomplete');
    expect(aggregate({ network: ['vcs'] })).toBe('incomplete');
  });

  it('is the same each time, and has another serial number where anything differs', () => {
    expect(jsonPage(makeBom(parts()))).toBe(jsonPage(makeBom(structuredClone(parts()))));
    const other = makeBom({ ...parts(), level: 'trusted' });
    expect(other.serialNumber).not.toBe(makeBom(parts()).serialNumber);
    expect(other.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});

describe('provenance of an artifact', () => {
  it('names commit, image, inputs, the tree of dependencies and each file in it', () => {
    const { resolvedDependencies } = makeProvenance(parts()).predicate.buildDefinition;
    const tree = (cid: string) => ({ uri: `ipfs://${cid}`, digest: { sha256: cidDigestHex(cid) } });
    expect(resolvedDependencies.slice(0, 4)).toEqual([
      { uri: `git+${repo}`, digest: { gitCommit: commit } },
      { name: 'image', ...tree(cidOf('image')) },
      { name: 'input/lib', ...tree(cidOf('lib')) },
      { name: 'dependencies', ...tree(cidOf('dependencies')) },
    ]);
    expect(resolvedDependencies).toHaveLength(4 + index.blobs.length);
    expect(resolvedDependencies).toContainEqual({
      name: 'core-7.0.0-beta.4.tgz',
      uri: 'pkg:npm/%40babel/core@7.0.0-beta.4',
      digest: { sha256, sha512: zeros(64) },
    });
    // A lock file that allows several hashes does not say which: the sha256 of the index alone.
    expect(resolvedDependencies).toContainEqual({
      name: 'flask_sqlalchemy-3.1.1.tar.gz',
      uri: 'pkg:pypi/flask-sqlalchemy@3.1.1',
      digest: { sha256: zeros(32) },
    });
    const mod = resolvedDependencies.find(({ name }) => name === 'v0.3.0.mod');
    expect(mod?.digest).toEqual({ sha256, dirHash: zeros(32) });
  });
});
