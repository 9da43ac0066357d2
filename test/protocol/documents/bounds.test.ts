import { base58btc } from 'multiformats/bases/base58';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { isRefName } from '../../../src/protocol/base/git-ref.ts';
import { isHostEntry } from '../../../src/protocol/base/host-entry.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { parseRecipe } from '../../../src/protocol/base/recipe-name.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import * as base from '../../../src/protocol/documents/base.ts';
import { decodeCanonical, reasonOf, upToFirstFault } from '../../../src/protocol/documents/canonical.ts';
import * as documents from '../../../src/protocol/documents/index.ts';
import { slotSchema } from '../../../src/protocol/documents/round.ts';
import { receiptSchema } from '../../../src/protocol/documents/statement.ts';
import { stepSchema } from '../../../src/protocol/documents/step.ts';
import { decodeIndex } from '../../../src/protocol/lock-formats/index-document.ts';
import { base64ToHex, parseSri } from '../../../src/protocol/lock-formats/integrity.ts';
import { readJson } from '../../../src/protocol/lock-formats/json.ts';
import { markerHolds } from '../../../src/protocol/lock-formats/marker.ts';
import { checkFile, checkName, checkUrl, checkVersion } from '../../../src/protocol/lock-formats/names.ts';
import { parseQuorateLock } from '../../../src/protocol/lock-formats/quorate-lock.ts';
import { foundIn } from '../../../src/protocol/lock-formats/read.ts';
import { readYaml } from '../../../src/protocol/lock-formats/yaml.ts';
import { decodeMessage } from '../../../src/protocol/wire/messages.ts';
import { progressSchema } from '../../../src/protocol/wire/progress.ts';
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
  [
    'operators of a policy',
    by(base.policySchema, (n) => ({ agree: n, of: n, cosign: 'none', rounds: 1 })),
    16,
  ],
  ['rounds of a policy', by(base.policySchema, (n) => ({ agree: 2, of: 3, cosign: 'none', rounds: n })), 8],
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
    unless(/ is not a marker$/, (n) => markerHolds(list(n, "'a'").join(' '), 'x86_64', place)),
    1_000,
  ],
  [
    'characters of a package URL of quorate.lock',
    unless(['LOCK_INVALID'], (n) =>
      parseQuorateLock(`quorate-lock 1\npkg:npm/${text(n - 8)} a sha256:${id}\n`, 'it'),
    ),
    8_000,
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

const signerId = testKey('idp').id;
const codeOfOpened = async (opened: Promise<unknown>) =>
  opened.then(
    () => 'none',
    ({ code }) => code,
  );

it('a document and a statement of more characters are not read', async () => {
  const message = (n: number) => codeOfOpened(documents.openMessage('grant', text(n), joseVerifier));
  expect(await message(256 * 1024)).toBe('DOC_NOT_JWS');
  expect(await message(256 * 1024 + 1)).toBe('DOC_TOO_LARGE');
  const statement = (n: number) => codeOfOpened(documents.openStatement('verdict', text(n), joseVerifier));
  expect(await statement(8 * 1024 * 1024)).toBe('DOC_NOT_JSON');
  const large = documents.openStatement('verdict', text(8 * 1024 * 1024 + 1), joseVerifier);
  // Refused by its characters, before it is copied into bytes.
  const inCharacters = expect.stringMatching(/has \d+ characters/);
  await expect(large).rejects.toMatchObject({ code: 'DOC_TOO_LARGE', message: inCharacters });
});

it.each<[string, (bytes: number) => unknown, number]>([
  ['canonical text', (n) => documents.decodeCanonical(toUtf8('[]'), z.unknown(), 'it', n), 2],
])('%s is read up to its bytes', (_what, read, bytes) => {
  expect(() => read(bytes)).not.toThrow();
  expect(() => read(bytes - 1)).toThrow(expect.objectContaining({ code: 'DOC_TOO_LARGE' }));
});

it.each([
  [{ iat: at + 60 }, 'none'],
  [{ iat: at + 61 }, 'DOC_FROM_FUTURE'],
  [{ iat: at - 100, exp: at - 60 }, 'none'],
  [{ iat: at - 100, exp: at - 61 }, 'DOC_EXPIRED'],
])('a document of %j is now: %s', async (times, code) => {
  const checked = async () => documents.checkTime(times, at * 1000, 'it');
  expect(await codeOfOpened(checked())).toBe(code);
});

it.each<[string, z.ZodType, object]>([
  ['a grant', documents.grantSchema, { ...grant, ...times(0) }],
  ['a sign-in', documents.signInSchema, { iss: peer, aud: signed.aud, project, challenge: 'a', ...times(0) }],
  [
    'a session',
    documents.sessionSchema,
    { ...signed, iss: signerId, sub: 'a', name: 'a', role: 'reader', ...times(0) },
  ],
])('%s does not end when it begins', (_what, schema, document) => {
  expect(schema.safeParse(document).success).toBe(false);
  expect(schema.safeParse({ ...document, exp: at + 1 }).success).toBe(true);
});

it('a PeerId of more characters than one has is not decoded', () => {
  expect(() => documents.publicKeyOf('z'.repeat(64))).toThrow(/Ed25519 key/);
  expect(() => documents.publicKeyOf('z'.repeat(65))).toThrow(/not a PeerId: z{65}…$/);
});

it('a CID has 120 characters at most', () => {
  const cid = (bytes: number) => CID.createV1(0x55, Digest.create(0x12, new Uint8Array(bytes))).toString();
  const takes = (one: string) => documents.requestSchema.safeParse({ ...request, job: one }).success;
  expect([cid(70).length, cid(71).length]).toEqual([120, 121]);
  expect([takes(cid(70)), takes(cid(71))]).toEqual([true, false]);
});

it('a CID is of version 1, with sha2-256, in base32', () => {
  const digest = Digest.create(0x12, new Uint8Array(32).fill(7));
  const v1 = CID.createV1(0x55, digest);
  const takes = (one: string) => documents.requestSchema.safeParse({ ...request, job: one }).success;
  const others = [
    CID.createV0(digest).toString(),
    CID.createV1(0x55, Digest.create(0x13, new Uint8Array(32))).toString(),
    v1.toString(base58btc),
    v1.toString().toUpperCase(),
    `${v1} `,
    '',
  ];
  for (const _ of [1, 2])
    expect([v1.toString(), ...others].map(takes)).toEqual([true, ...others.map(() => false)]);
});

it('the text of a schema’s refusal is cut', () => {
  expect(reasonOf(text(400))).toBe(text(400));
  expect(reasonOf(text(401))).toBe(`${text(400)}…`);
  expect(reasonOf(undefined)).toBe('unknown reason');
});

it('a verifier key of one character more is none', () => {
  const key = documents.formatNoteKey(text(128), documents.noteKinds.cosignature, peer);
  expect(key).toHaveLength(182);
  expect(documents.parseNoteKey(key).id).toBe(peer);
  expect(() => documents.parseNoteKey(`${key}x`)).toThrow(
    expect.objectContaining({ code: 'NOTE_KEY_INVALID' }),
  );
});

it('a slot is one of sixteen, and a step with options has one', () => {
  const slots = [-1, 0, 15, 16, 'trusted', 'other'].map((slot) => slotSchema.safeParse(slot).success);
  expect(slots).toEqual([false, true, true, false, true, false]);
  const steps = ['make', { run: 'make' }, { run: 'make', shell: 'bash' }, { run: 'make', name: ' ' }];
  expect(steps.map((step) => stepSchema.safeParse(step).success)).toEqual([true, false, true, false]);
});

it('a job names networks and lock files in order, each once', () => {
  const takes = (over: object) => documents.jobSchema.safeParse({ ...job, ...over }).success;
  const locks = (...all: string[]) => takes({ dependencies: { tree: cidOf('a'), locks: all } });
  expect([locks('a', 'b'), locks('b', 'a'), locks('a', 'a'), locks()]).toEqual([true, false, false, false]);
  expect([takes({ network: ['store', 'vcs'] }), takes({ network: ['vcs', 'store'] })]).toEqual([true, false]);
});

it('a charter asks for no more witnesses than it names', () => {
  const keys = ['a', 'b'].map((name) =>
    documents.formatNoteKey(name, documents.noteKinds.cosignature, testKey(name).id),
  );
  const takes = (need: number, of = keys) =>
    documents.charterSchema.safeParse(makeCharter({ witnesses: { need, keys: of } })).success;
  expect([takes(1), takes(2), takes(3)]).toEqual([true, true, false]);
  expect([takes(1, keys.slice(0, 1)), takes(1, [...keys, ...keys])]).toEqual([true, false]);
});

it('a request that reads artifacts names one at least', () => {
  const one = { lib: { request: id, level: 'agreed' } };
  expect(documents.requestSchema.safeParse({ ...request, needs: one }).success).toBe(true);
  expect(documents.requestSchema.safeParse({ ...request, needs: {} }).success).toBe(false);
});

it('a statement lists a tree and each of its files, up to the most', () => {
  const digest = { sha256: id };
  const { subject } = receiptSchema.shape;
  const takes = (n: number) => subject.safeParse(list(n, { name: 'a', digest })).success;
  expect([takes(20_001), takes(20_002), takes(0)]).toEqual([true, false, false]);
  const materials = receiptSchema.shape.predicate.shape.buildDefinition.shape.resolvedDependencies;
  const names = (n: number) =>
    materials.safeParse([
      { uri: 'git+r', digest: { gitCommit: 'a'.repeat(40) } },
      ...list(n - 1, { name: 'a', uri: 'u', digest }),
    ]).success;
  expect([names(67), names(68), names(1)]).toEqual([true, false, true]);
});

it('a job asks for a shell and a few commands at least', () => {
  const takes = (over: object) =>
    documents.jobSchema.safeParse({ ...job, limits: { ...job.limits, ...over } }).success;
  expect([takes({ pids: 8 }), takes({ pids: 7 })]).toEqual([true, false]);
  expect([takes({ memoryBytes: 2 ** 24 }), takes({ memoryBytes: 2 ** 24 - 1 })]).toEqual([true, false]);
});

describe('JSON of many values, as nobody signs it', () => {
  const of = (start: string, value: string, count: number) =>
    toUtf8(`{"a":${start},"z":[${`${value},`.repeat(count)}0]}`);
  const codeOf = (bytes: Uint8Array): string => {
    try {
      decodeCanonical(bytes, z.looseObject({ a: z.int() }), 'it', limits.bundleBytesMax);
      return 'taken';
    } catch (error) {
      return error instanceof QuorateError ? error.code : String(error);
    }
  };

  it.each([
    ['empty objects', '{}'],
    ['numbers', '0'],
    ['lists in lists', `${'['.repeat(20)}${']'.repeat(20)}`],
  ])('is refused before it is parsed: %s', (_, value) => {
    const many = of('1', value, 300_000);
    expect(codeOf(many)).toBe('DOC_TOO_LARGE');
    expect(() => decodeMessage(many, z.unknown(), 'it')).toThrow(
      expect.objectContaining({ code: 'WIRE_INVALID' }),
    );
    expect(codeOf(of('1', '0', 60_000))).toBe('taken');
  });

  it('is refused however long it is: as keys a text may take twenty times its memory', () => {
    const long = (count: number) => of(`"${'x'.repeat(2 ** 24)}"`, '0', count);
    expect([codeOf(long(2 ** 20)), codeOf(long(2 ** 20 - 4))]).toEqual(['DOC_TOO_LARGE', 'DOC_INVALID']);
  });

  it.each([
    ['of another type', '0'],
    ['not as its pattern wants it', '""'],
  ])('is refused at its first fault, where each of its values is %s', (_, value) => {
    const entry = `{"index":0,"leaf":"","path":[${Array(64).fill(value)}]}`;
    const rest = '"job":"{}","offers":[],"publisher":"p","receipts":[],"request":"r","v":1,"verdict":"v"';
    const bundle = (charter: string, entries: string, more = '') =>
      `{"charter":"${charter}","checkpoint":"c","entries":[${entries}],${more}${rest}}`;
    const inner = bundle('c', Array(2048).fill(entry).join(','));
    const text = bundle('x'.repeat(2 ** 21), '', `"inputs":[${inner}],`);
    // Otherwise they overflow the stack.
    expect(() => documents.decodeBundle(text)).toThrow(expect.objectContaining({ code: 'DOC_INVALID' }));
    let errors = 0;
    const counted = z.string({ error: () => `${++errors}` });
    const list = z.object({ z: z.array(counted) });
    expect(() => decodeMessage(of('1', '0', 60_000), list, 'it')).toThrow('it is not valid at z.0: 1');
    expect(errors).toBe(1);
  });

  it.each(
    Object.entries({
      peerId: base.peerId,
      cid: base.cid,
      sha256: base.sha256,
      commitId: base.commitId,
      name: base.name,
      text: base.text(9),
      long: base.text(1),
      treePath: base.treePath,
      multiaddr: base.multiaddr,
      nonce: base.nonce,
      count: base.count,
      seconds: base.seconds,
      milliseconds: base.milliseconds,
    }),
  )('makes one error at most for a list of values that may be no %s', (_, schema) => {
    const list = z.array(schema as z.ZodType);
    for (const value of ['/\u0001', '../x', '', 1e15, -1])
      expect((list.safeParse([value, value], upToFirstFault).error?.issues ?? []).length).toBeLessThan(2);
  });

  it('makes one error for progress of which each value is wrong', () => {
    const needs = { a: 0, b: 0 };
    expect(progressSchema.safeParse({ kind: 'waiting', needs }).error?.issues).toHaveLength(1);
  });

  it('may be as dense as the files of a receipt, in any number', () => {
    const file = `{"digest":{"sha256":"${'a'.repeat(64)}"},"name":"f"}`;
    expect(codeOf(of('1', file, 80_000))).toBe('taken');
  });

  it('is not read as DAG-JSON where it is long, which takes seconds', () => {
    const link = '{"/":"bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"}';
    for (const other of ['1.5', link]) {
      expect(codeOf(of(other, '0', 1))).toBe('DOC_INVALID');
      expect(codeOf(of(other, `"${'x'.repeat(limits.documentBytesMax)}"`, 1))).toBe('DOC_NOT_CANONICAL');
    }
    expect(codeOf(of('1', `"${'x'.repeat(limits.documentBytesMax)}"`, 1).slice(0, -1))).toBe('DOC_NOT_JSON');
  });
});
