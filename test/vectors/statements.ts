import { fromUtf8 } from '../../src/protocol/base/text.ts';
import { encodeCanonical, preAuthEncoding } from '../../src/protocol/documents/index.ts';
import { testKey } from '../support/documents.ts';
import { makeProject, payloadOf, workerKey } from '../support/project.ts';
import { mayHave, mayNotHave } from './growth.ts';
import type { Vector } from './vector.ts';

type Json = Record<string, unknown>;
interface Envelope {
  payloadType: string;
  payload: string;
  signatures: { keyid: string; sig: string }[];
}

const mallory = testKey('mallory');
const base64 = (data: string | Uint8Array) => Buffer.from(data).toString('base64');

async function seal(payload: string, keys = [workerKey('ada')]): Promise<Envelope> {
  const message = preAuthEncoding(Buffer.from(payload));
  const signatures = await Promise.all(
    keys.map(async (key) => ({ keyid: key.id, sig: base64(await key.signer.raw(message)) })),
  );
  return { payloadType: 'application/vnd.in-toto+json', payload: base64(payload), signatures };
}

/** As DAG-JSON: every object's keys in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`;
}

/** A copy with the member at a dotted path changed. */
function changed(value: unknown, path: string, to: unknown): Json {
  const copy = structuredClone(value) as Json;
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let object: Json = copy;
  for (const key of keys) object = object[key] as Json;
  if (to === undefined) delete object[last];
  else object[last] = to;
  return copy;
}

export async function statementVectors(kind: 'receipt' | 'verdict'): Promise<Vector[]> {
  const { bundle, draft } = await makeProject();
  const raw = kind === 'receipt' ? (bundle.receipts[0]?.envelope ?? '') : draft.verdict;
  const other = kind === 'receipt' ? draft.verdict : (bundle.receipts[0]?.envelope ?? '');
  const key = kind === 'receipt' ? workerKey('ada') : testKey('controller');
  const by = kind === 'receipt' ? 'ada 0' : 'controller';
  const valid: Envelope = JSON.parse(raw);
  const payload = payloadOf(raw);
  const text = canonical(payload);
  const [good = { keyid: '', sig: '' }] = valid.signatures;
  const spare = (sig: string) =>
    sig.replace(/[AQgw]==$/, (end) => `${String.fromCharCode(end.charCodeAt(0) + 1)}==`);
  const as = async (path: string, to: unknown) =>
    canonical(await seal(canonical(changed(payload, path, to)), [key]));
  const facts = `predicate.quorate_${kind}`;
  const withPayload = async (changedText: string) => canonical(await seal(changedText, [key]));
  const bad: [string, string, string][] = [
    [
      'with a second signature that is broken',
      canonical({ ...valid, signatures: [good, { keyid: mallory.id, sig: good.sig }] }),
      'DOC_BAD_SIGNATURE',
    ],
    [
      'with its only signature under another name',
      canonical({ ...valid, signatures: [{ ...good, keyid: mallory.id }] }),
      'DOC_BAD_SIGNATURE',
    ],
    ['with a signature twice', canonical({ ...valid, signatures: [good, good] }), 'DOC_BAD_SIGNATURE'],
    [
      'with a short signature',
      canonical({ ...valid, signatures: [{ ...good, sig: good.sig.slice(0, 40) }] }),
      'DOC_BAD_SIGNATURE',
    ],
    ['without a signature', canonical({ ...valid, signatures: [] }), 'DOC_INVALID'],
    [
      'with seventeen signatures',
      canonical({ ...valid, signatures: Array.from({ length: 17 }, () => good) }),
      'DOC_INVALID',
    ],
    [
      'with a keyid that is no PeerId',
      canonical({ ...valid, signatures: [{ ...good, keyid: 'ada' }] }),
      'DOC_INVALID',
    ],
    ['with a certificate', canonical({ ...valid, signatures: [{ ...good, cert: '' }] }), 'DOC_INVALID'],
    ['with another payload type', canonical({ ...valid, payloadType: 'application/json' }), 'DOC_INVALID'],
    ['with an unknown field in the envelope', canonical({ ...valid, zz: 1 }), 'DOC_INVALID'],
    [
      'signed without pre-authentication encoding',
      canonical({
        ...valid,
        signatures: [{ keyid: key.id, sig: base64(await key.signer.raw(Buffer.from(text))) }],
      }),
      'DOC_BAD_SIGNATURE',
    ],
    [
      'with the payload of another statement',
      canonical({ ...valid, payload: JSON.parse(other).payload }),
      'DOC_BAD_SIGNATURE',
    ],
    ['of another kind', other, 'DOC_INVALID'],
    [
      'with a payload in base64url',
      canonical({ ...valid, payload: Buffer.from(`${text}???`).toString('base64url') }),
      'DOC_NOT_BASE64',
    ],
    [
      'with spare bits in its signature',
      canonical({ ...valid, signatures: [{ ...good, sig: spare(good.sig) }] }),
      'DOC_NOT_BASE64',
    ],
    [
      'with a signature without padding',
      canonical({ ...valid, signatures: [{ ...good, sig: good.sig.replace(/=+$/, '') }] }),
      'DOC_NOT_BASE64',
    ],
    ['with white space around the envelope', ` ${raw}`, 'DOC_NOT_CANONICAL'],
    [
      'with an envelope out of order',
      JSON.stringify({
        signatures: valid.signatures,
        payloadType: valid.payloadType,
        payload: valid.payload,
      }),
      'DOC_NOT_CANONICAL',
    ],
    ['with an envelope key twice', `{"payload":"",${raw.slice(1)}`, 'DOC_NOT_JSON'],
    ['cut short', raw.slice(0, -10), 'DOC_NOT_JSON'],
    ['empty', '', 'DOC_NOT_JSON'],
    ['with white space in the payload', await withPayload(text.replace('{', '{ ')), 'DOC_NOT_CANONICAL'],
    ['with a key of the payload twice', await withPayload(`{"_type":"x",${text.slice(1)}`), 'DOC_NOT_JSON'],
    ['with another statement type', await as('_type', 'https://in-toto.io/Statement/v0.1'), 'DOC_INVALID'],
    [
      'with another predicate type',
      await as('predicateType', 'https://slsa.dev/provenance/v0.2'),
      'DOC_INVALID',
    ],
    ['with an unknown field in the predicate', await as('predicate.zz', 1), 'DOC_INVALID'],
    ['with an unknown fact', await as(`${facts}.zz`, 1), 'DOC_INVALID'],
    ['without facts', await as(facts, undefined), 'DOC_INVALID'],
    ['without a subject', await as('subject', []), 'DOC_INVALID'],
    [
      'with a subject hashed otherwise',
      await as('subject', [{ name: '.', digest: { md5: '0' } }]),
      'DOC_INVALID',
    ],
    [
      'with a hash in capitals',
      await as('subject', [{ name: '.', digest: { sha256: 'A'.repeat(64) } }]),
      'DOC_INVALID',
    ],
    [
      'with a terminal escape in a file name',
      await as('subject', [{ name: '\u001b[2J', digest: { sha256: '0'.repeat(64) } }]),
      'DOC_INVALID',
    ],
    [
      'with exit status 256',
      await as(`${facts}.outcome`, { kind: 'exit', code: 256, artifact: null }),
      'DOC_INVALID',
    ],
    [
      'with exit status 0.5',
      await as(`${facts}.outcome`, { kind: 'exit', code: 0.5, artifact: null }),
      'DOC_INVALID',
    ],
    [
      'with an aborted run that has an artifact',
      await as(`${facts}.outcome`, { kind: 'aborted', reason: 'time', detail: '', artifact: null }),
      'DOC_INVALID',
    ],
    [
      'with a CIDv0',
      await as(`${facts}.job`, 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'),
      'DOC_INVALID',
    ],
  ];
  if (kind === 'receipt') {
    bad.push([
      'with two sources',
      await as('predicate.buildDefinition.resolvedDependencies', []),
      'DOC_INVALID',
    ]);
    bad.push(['for slot 99', await as(`${facts}.slot`, 99), 'DOC_INVALID']);
    bad.push(['without a nonce', await as(`${facts}.nonce`, undefined), 'DOC_INVALID']);
    bad.push(['with a short link signature', await as(`${facts}.link`, 'AAAA'), 'DOC_INVALID']);
    const seen = async (unpinned: Json) => as(`${facts}.sandbox.unpinned`, unpinned);
    bad.push(['that saw something unknown of its machine', await seen({ load: '1' }), 'DOC_INVALID']);
    const upper = { kernelSha256: 'A'.repeat(64) };
    bad.push(['that saw a kernel of no such sha256', await seen(upper), 'DOC_INVALID']);
    bad.push(['that saw a terminal escape', await seen({ kernel: '\u001b[2J' }), 'DOC_INVALID']);
    const link = `${'A'.repeat(85)}B==`;
    bad.push(['with spare bits in its link signature', await as(`${facts}.link`, link), 'DOC_INVALID']);
  } else {
    bad.push([
      'that claims a SLSA level twice over',
      await as('predicate.verifiedLevels', ['SLSA_BUILD_LEVEL_3', 'x']),
      'DOC_INVALID',
    ]);
    bad.push(['with a level of its own', await as(`${facts}.level`, 'excellent'), 'DOC_INVALID']);
    bad.push([
      'with a policy two artifacts can pass',
      await as(`${facts}.policy`, { agree: 1, of: 2, cosign: 'none', rounds: 1 }),
      'DOC_INVALID',
    ]);
  }
  const vectors: Vector[] = [{ name: 'valid', kind, raw, signers: [by], expect: 'ok' }];
  if (kind === 'receipt') {
    const bare = await as(`${facts}.link`, undefined);
    vectors.push({ name: 'without a link', kind, raw: bare, signers: [by], expect: 'ok' });
    const seen = await as(`${facts}.sandbox.unpinned`, { kernel: '6.12.1', processor: 'Some Model 1' });
    vectors.push({ name: 'that says what its build saw', kind, raw: seen, signers: [by], expect: 'ok' });
    const machine = await as(`${facts}.sandbox.unpinned`, {
      kernel: '6.12.1-cloud-amd64',
      kernelPackage: '6.12.1-1',
      kernelSha256: '0a'.repeat(32),
    });
    vectors.push({ name: 'of a virtual machine', kind, raw: machine, signers: [by], expect: 'ok' });
  }
  if (kind === 'verdict') {
    vectors.push({ name: 'co-signed', kind, raw: bundle.verdict, signers: [by, 'trusted'], expect: 'ok' });
  }
  const grown = async (change: object): Promise<string> => {
    const copy = structuredClone(payload) as { predicate: Record<string, object> };
    copy.predicate[`quorate_${kind}`] = { ...copy.predicate[`quorate_${kind}`], ...change };
    return canonical(await seal(fromUtf8(encodeCanonical(copy)), [key]));
  };
  for (const [name, change] of mayHave)
    vectors.push({ name, kind, raw: await grown(change), signers: [by], expect: 'ok' });
  for (const [name, change, code] of mayNotHave) bad.push([name, await grown(change), code]);
  bad.push(['with `more` outside its own part', await as('more', {}), 'DOC_INVALID']);
  bad.push(['with `more` in the predicate', await as('predicate.more', {}), 'DOC_INVALID']);
  const { payload: newer } = JSON.parse(await grown({ v: 9 }));
  bad.push([
    'of version 9, under the signature of another text',
    canonical({ ...valid, payload: newer }),
    'DOC_BAD_SIGNATURE',
  ]);
  return [...vectors, ...bad.map(([name, envelope, code]) => ({ name, kind, raw: envelope, expect: code }))];
}
