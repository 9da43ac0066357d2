import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeIndex } from '../../../src/core/dependencies/index-document.ts';
import { base64ToHex, parseSri } from '../../../src/core/dependencies/integrity.ts';
import { readJson } from '../../../src/core/dependencies/json.ts';
import { markerHolds } from '../../../src/core/dependencies/marker.ts';
import { checkFile, checkName, checkUrl, checkVersion } from '../../../src/core/dependencies/names.ts';
import { parseQuorateLock } from '../../../src/core/dependencies/quorate-lock.ts';
import { foundIn, readLocks } from '../../../src/core/dependencies/read.ts';
import { readYaml } from '../../../src/core/dependencies/yaml.ts';
import { policySchema } from '../../../src/core/documents/base.ts';
import * as documents from '../../../src/core/documents/index.ts';
import { isRefName } from '../../../src/core/git-ref.ts';
import { isHostEntry } from '../../../src/core/host-entry.ts';
import { parseRecipe } from '../../../src/core/recipe-name.ts';
import { toUtf8 } from '../../../src/core/text.ts';
import {
  at,
  cidOf,
  makeCharter,
  makeGrant,
  makeJob,
  makeRequest,
  nonceOf,
  project,
  testKey,
} from '../../support/documents.ts';
import { type Bound, by, holds, list, numbered, text, unless } from '../taken.ts';

const id = 'ab'.repeat(32);
const peer = testKey('worker').id;
const job = makeJob();
const [request, grant] = [makeRequest(cidOf('job')), makeGrant(testKey('worker'), 'ada', 'worker')];
const times = (seconds: number) => ({ iat: at, exp: at + seconds });
const signed = { iss: peer, aud: 'https://ci.example', project, jti: nonceOf('a') };
const keyed = <Value>(n: number, value: Value): Record<string, Value> =>
  Object.fromEntries(numbered(n).map((name) => [name, value]));

const ofDocuments: Bound[] = [
  ['steps of a job', by(documents.jobSchema, (n) => ({ ...job, run: list(n, 'make') })), 200],
  ['characters of a step', by(documents.jobSchema, (n) => ({ ...job, run: [text(n)] })), 16 * 1024],
  [
    'characters of its name',
    by(documents.jobSchema, (n) => ({ ...job, run: [{ run: 'make', name: text(n) }] })),
    100,
  ],
  [
    'lock files of a job',
    by(documents.jobSchema, (n) => ({ ...job, dependencies: { tree: cidOf('a'), locks: numbered(n) } })),
    32,
  ],
  ['bytes of a path', by(documents.jobSchema, (n) => ({ ...job, outputs: [text(n)] })), 4_096],
  ['output files', by(documents.jobSchema, (n) => ({ ...job, limits: { ...job.limits, files: n } })), 20_000],
  [
    'artifacts that a job reads',
    by(documents.requestSchema, (n) => ({ ...request, needs: keyed(n, { request: id, level: 'agreed' }) })),
    64,
  ],
  [
    'bytes of later members',
    by(documents.grantSchema, (n) => ({ ...grant, more: { a: text(n - '{"a":""}'.length) } })),
    4_096,
  ],
  ['operators of a policy', by(policySchema, (n) => ({ agree: n, of: n, cosign: 'none', rounds: 1 })), 16],
  ['rounds of a policy', by(policySchema, (n) => ({ agree: 2, of: 3, cosign: 'none', rounds: n })), 8],
  [
    'witnesses of a charter',
    by(documents.charterSchema, (n) =>
      makeCharter({
        witnesses: {
          need: 1,
          keys: list(n, (index) =>
            documents.formatNoteKey(`a${index}`, documents.noteKinds.cosignature, testKey(`w${index}`).id),
          ),
        },
      }),
    ),
    8,
  ],
  ['seconds of a grant', by(documents.grantSchema, (n) => ({ ...grant, ...times(n) })), 86_400],
  [
    'seconds to sign in',
    by(documents.signInSchema, (n) => ({ iss: peer, aud: signed.aud, project, challenge: 'a', ...times(n) })),
    60,
  ],
  [
    'seconds of being signed in',
    by(documents.sessionSchema, (n) => ({ ...signed, sub: peer, name: 'a', role: 'reader', ...times(n) })),
    300,
  ],
];

const place = { lock: 'package-lock.json', line: 1 };
const lockOf = (bytes: number) => new Map([['quorate.lock', new Uint8Array(bytes)]]);
const sri = `sha256-${'A'.repeat(43)}=`;
const hashes = (n: number) => list(n, (index) => index.toString(16).padStart(64, '0'));
const blob = {
  purl: 'pkg:npm/a@1',
  file: 'a.tgz',
  integrity: { algorithm: 'sha256', digests: [id] },
  sha256: id,
  size: 1,
};
const index = (over: object) =>
  documents.encodeCanonical({
    v: 1,
    arch: 'x86_64',
    locks: [{ path: 'a', sha256: id }],
    blobs: [blob],
    ...over,
  });
/** Lines of so many modules. */
const goSum = (n: number) =>
  new Map([['go.sum', toUtf8(list(n, (at) => `a/${at} v1.0.0 h1:${'A'.repeat(43)}=\n`).join(''))]]);
const read = (of: (n: number) => Uint8Array) =>
  unless(['DOC_INVALID', 'DOC_TOO_LARGE'], (n) => decodeIndex(of(n)));
const deep = (n: number) =>
  documents.decodeCanonical(toUtf8('['.repeat(n) + ']'.repeat(n)), z.unknown(), 'it', n * 2);

const ofTexts: Bound[] = [
  [
    'characters of a job file of a repository',
    (n) => parseRecipe(`https://a/b:${text(n - 12)}`) !== undefined,
    8_000,
  ],
  ['characters of a ref', (n) => isRefName(text(n)), 255],
  ['characters of a host', (n) => isHostEntry(text(n)), 128],
  ['levels of a document', unless(['DOC_TOO_DEEP'], deep), 24],
  ['characters of a package', unless(['LOCK_INVALID'], (n) => checkName('npm', text(n), place)), 512],
  ['characters of a version', unless(['LOCK_INVALID'], (n) => checkVersion('1'.repeat(n), place)), 256],
  ['characters of a file', unless(['LOCK_INVALID'], (n) => checkFile(text(n), place)), 255],
  [
    'characters of an address',
    unless(['LOCK_INVALID'], (n) => checkUrl(`https://a/${text(n - 10)}`, place)),
    2_000,
  ],
  [
    'lock files',
    unless(['LOCK_TOO_LARGE'], (n) => foundIn(list(n, 'quorate.lock'), lockOf(0), 'x86_64')),
    32,
  ],
  [
    'bytes of a lock file',
    unless(['LOCK_TOO_LARGE'], (n) => foundIn(['quorate.lock'], lockOf(n), 'x86_64')),
    48 * 1024 * 1024,
  ],
  ['hashes of an entry', unless(['LOCK_INVALID'], (n) => parseSri(list(n, sri).join(' '), place)), 1_000],
  ['levels of JSON', unless(['LOCK_TOO_LARGE'], (n) => readJson('['.repeat(n) + ']'.repeat(n), 'it')), 257],
  [
    'levels of JSON with keys',
    unless(['LOCK_TOO_LARGE'], (n) => readJson(`${'{"a":'.repeat(n)}1${'}'.repeat(n)}`, 'it')),
    256,
  ],
  ['levels of YAML', unless(['LOCK_TOO_LARGE'], (n) => readYaml('['.repeat(n) + ']'.repeat(n), 'it')), 257],
  [
    'levels of YAML with keys',
    unless(['LOCK_TOO_LARGE'], (n) => readYaml(`${'{a: '.repeat(n)}1${'}'.repeat(n)}`, 'it')),
    256,
  ],
  ['levels of keys of YAML', unless(['LOCK_TOO_LARGE'], (n) => readYaml(`${'? '.repeat(n)}a`, 'it')), 256],
  ['characters of YAML', unless(['LOCK_TOO_LARGE'], (n) => readYaml('#'.repeat(n), 'it')), 24 * 1024 * 1024],
  ['bytes of a hash in base64', (n) => base64ToHex(Buffer.alloc(n).toString('base64')) !== undefined, 66],
  [
    'words of a marker',
    // Complete or not.
    unless(['LOCK_SYNTAX'], (n) => markerHolds(list(n, "'a'").join(' '), 'x86_64', place)),
    1_000,
  ],
  [
    'characters of a package URL of quorate.lock',
    unless(['LOCK_SYNTAX'], (n) =>
      parseQuorateLock(`quorate-lock 1\npkg:npm/${text(n - 8)} a sha256:${id}\n`, 'it'),
    ),
    8_000,
  ],
  [
    'files of all locks',
    unless(['LOCK_TOO_LARGE'], (n) => readLocks(['go.sum'], goSum(n), 'x86_64')),
    100_000,
  ],
  ['characters of a package URL', read((n) => index({ blobs: [{ ...blob, purl: text(n) }] })), 8_000],
  ['bytes of a file name', read((n) => index({ blobs: [{ ...blob, file: text(n) }] })), 255],
  [
    'digests of a file',
    read((n) => index({ blobs: [{ ...blob, integrity: { algorithm: 'sha256', digests: hashes(n) } }] })),
    1_000,
  ],
  ['locks of an index', read((n) => index({ locks: numbered(n).map((path) => ({ path, sha256: id })) })), 33],
];

describe('a document has at most so many', () => holds(ofDocuments));
describe('a text has at most so many', () => holds(ofTexts));

it('a job asks for a shell and a few commands at least', () => {
  const takes = (over: object) =>
    documents.jobSchema.safeParse({ ...job, limits: { ...job.limits, ...over } }).success;
  expect([takes({ pids: 8 }), takes({ pids: 7 })]).toEqual([true, false]);
  expect([takes({ memoryBytes: 2 ** 24 }), takes({ memoryBytes: 2 ** 24 - 1 })]).toEqual([true, false]);
});
