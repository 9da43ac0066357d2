import { assert } from '../base/errors.ts';
import { recipeText } from '../base/recipe-name.ts';
import { compareTexts, toUtf8 } from '../base/text.ts';
import { cidDigestHex, sha256Hex } from '../documents/index.ts';
import { purlOf } from '../lock-formats/index.ts';
import type { Level } from '../trust/index.ts';
import { digestsOf, goSumOf, isWithoutCode, type LockedPackage, packagesOf } from './packages.ts';
import type { Made } from './provenance.ts';

/** A CycloneDX bill of materials (https://cyclonedx.org/docs/1.6/json/), as far as it is written here. */
export type Bom = ReturnType<typeof makeBom>;
interface Component {
  type: 'application' | 'container' | 'file' | 'library';
  'bom-ref'?: string;
  group?: string;
  name: string;
  version?: string;
  scope?: 'excluded';
  hashes?: { alg: string; content: string }[];
  purl?: string;
  externalReferences?: { type: 'vcs'; url: string; comment: string }[];
  components?: Component[];
  properties?: Property[];
}
type Property = { name: `quorate:${string}`; value: string };

export interface BomParts extends Made {
  /** `provisional`, `agreed` or `trusted`. */
  level: Level;
  /** The version of Quorate. */
  tool: string;
}

/** The same artifact, evidence and version of Quorate give the same bytes: the time is that of the verdict, the serial number a hash of the rest. */
export function makeBom(parts: BomParts) {
  const { facts, job, index, tool } = parts;
  const inputs = Object.entries(facts.inputs)
    .flatMap(([name, { artifact, level }]) => (artifact === null ? [] : [{ name, artifact, level }]))
    .sort((a, b) => compareTexts(a.name, b.name))
    .map(({ name, artifact, level }) => inputComponent(name, artifact, level));
  const image = job.image === 'host' ? [] : [imageComponent(job.image)];
  const components = [...image, ...inputs, ...(index === undefined ? [] : packagesOf(index)).map(library)];
  const isAllNamed = job.image !== 'host' && job.network === undefined;
  const rest = {
    version: 1,
    metadata: {
      timestamp: facts.time,
      lifecycles: [{ phase: 'build' }],
      tools: { components: [{ type: 'application', name: 'quorate', version: tool }] },
      component: artifactComponent(parts),
    },
    components,
    dependencies: [{ ref: 'artifact', dependsOn: components.map((one) => one['bom-ref'] ?? '') }],
    compositions: [{ aggregate: isAllNamed ? 'complete' : 'incomplete', dependencies: ['artifact'] }],
  };
  const serialNumber = `urn:uuid:${uuidOf(sha256Hex(toUtf8(JSON.stringify(rest))))}`;
  return { bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber, ...rest };
}

/** A UUID of version 8 (RFC 9562) from the start of a hash. */
function uuidOf(hex: string): string {
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const property = (name: string, value: string): Property => ({ name: `quorate:${name}`, value });
const treeHash = (cid: string) => [{ alg: 'SHA-256', content: cidDigestHex(cid) }];

function artifactComponent({ project, facts, job, index, level }: BomParts): Component {
  const { artifact, repo, ref, commit, name } = facts;
  assert(artifact !== null, 'there is a bill of materials of an artifact only');
  const group = /([^/:]+?)(?:\.git)?\/*$/.exec(repo)?.[1];
  const path = group === undefined ? name : `${group}/${name}`;
  const isAddress = /^[a-z][a-z0-9+.-]*:\/\/[\w.~:/?#[\]@!$&'()*+,;=%-]+$/i.test(repo);
  return {
    type: 'application',
    'bom-ref': 'artifact',
    ...(group !== undefined && { group }),
    name,
    version: commit,
    hashes: treeHash(artifact),
    purl: purlOf('generic', path, commit, { vcs_url: `git+${repo}@${commit}` }),
    ...(isAddress && {
      externalReferences: [{ type: 'vcs', url: repo, comment: `${ref}, commit ${commit}` }],
    }),
    components: facts.files.map((file) => ({
      type: 'file',
      name: file.path,
      hashes: [{ alg: 'SHA-256', content: file.sha256 }],
    })),
    properties: [
      property('artifact', artifact),
      property('level', level),
      property('project', project),
      property('repository', repo),
      property('ref', ref),
      property('commit', commit),
      property('request', facts.request),
      property('job', facts.job),
      ...(facts.recipe === null ? [] : [property('recipe', recipeText(facts.recipe))]),
      property('arch', job.arch),
      ...(job.dependencies === undefined ? [] : [property('dependencies', job.dependencies.tree)]),
      ...(index?.locks ?? []).map(({ path: lock, sha256 }) => property('lock', `${lock} sha256:${sha256}`)),
    ],
  };
}

const imageComponent = (cid: string): Component => ({
  type: 'container',
  'bom-ref': 'image',
  name: 'image',
  version: cid,
  hashes: treeHash(cid),
});

const inputComponent = (name: string, artifact: string, level: Level): Component => ({
  type: 'application',
  'bom-ref': `input ${name}`,
  name,
  version: artifact,
  hashes: treeHash(artifact),
  properties: [property('artifact', artifact), property('level', level)],
});

/** A package is hashed as its one file; of one with several, or whose code is not there, each file is named with its hashes. */
function library(one: LockedPackage): Component {
  const { purl, group, name, version, files } = one;
  const [file, second] = files;
  const isOneFile = file !== undefined && second === undefined && !isWithoutCode(one);
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group !== undefined && { group }),
    name,
    ...(version !== undefined && { version }),
    ...(isWithoutCode(one) && { scope: 'excluded' }),
    ...(isOneFile && hashed(file)),
    purl,
    ...(!isOneFile && { components: files.map(fileComponent) }),
    ...(isOneFile && { properties: [property('file', file.file), ...goSum(file)] }),
  };
}

type File = LockedPackage['files'][number];

function fileComponent(file: File): Component {
  const properties = goSum(file);
  return { type: 'file', name: file.file, ...hashed(file), ...(properties.length > 0 && { properties }) };
}

function hashed(file: File): Pick<Component, 'hashes'> {
  const { sha256, sha384, sha512 } = digestsOf(file);
  const all: [alg: string, content: string | undefined][] = [
    ['SHA-256', sha256],
    ['SHA-384', sha384],
    ['SHA-512', sha512],
  ];
  return { hashes: all.flatMap(([alg, content]) => (content === undefined ? [] : [{ alg, content }])) };
}

function goSum(file: File): Property[] {
  const { dirHash } = digestsOf(file);
  return dirHash === undefined ? [] : [property('go.sum', goSumOf(dirHash))];
}
