import fc from 'fast-check';
import { z } from 'zod';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Bundle,
  cosignStatement,
  decodeBundle,
  decodeCanonical,
  decodeJob,
  encodeBundle,
  encodeCanonical,
  encodeJob,
  fromBase64,
  fromBase64Url,
  idOf,
  type MessageKind,
  messageKinds,
  openMessage,
  openStatement,
  peerIdOf,
  preAuthEncoding,
  publicKeyOf,
  signMessage,
  toBase64,
  toBase64Url,
  typOf,
} from '../../../src/protocol/documents/index.ts';
import { openRevocations } from '../../../src/protocol/judge/index.ts';
import { decodeRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { makeCharter, project as projectId, testKey } from '../../support/project.ts';
import { mutatedBytes, mutatedJson, mutatedText } from '../arbitraries.ts';
import { project, validTexts } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';
import { equivocation } from './equivocation.ts';

/** The encoder gives a bare large number as an array. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(Buffer.from(a), b) === 0;

const canonical = define<Uint8Array>({
  name: 'canonical',
  seeds: async () =>
    ['{}', '[1,"a",null,true]', '{"a":{"b":[0.5,-1]}}', '"é\\n"', ...validTexts('job')].map((text) =>
      toUtf8(text),
    ),
  arbitrary: (seeds) =>
    fc.oneof(
      mutatedBytes(seeds),
      mutatedJson(seeds.map(fromUtf8)).map((text) => toUtf8(text)),
    ),
  run(bytes) {
    const value = decodeCanonical(bytes, z.unknown(), 'a document', limits.documentBytesMax);
    must(same(encodeCanonical(value), bytes), 'what was read encodes to other bytes');
  },
});

const job = define<Uint8Array>({
  name: 'job',
  seeds: async () => validTexts('job').map((text) => toUtf8(text)),
  arbitrary: (seeds) =>
    fc.oneof(
      mutatedBytes(seeds),
      mutatedJson(seeds.map(fromUtf8)).map((text) => toUtf8(text)),
    ),
  run(bytes) {
    const { job: read, id } = decodeJob(bytes);
    const again = encodeJob(read);
    must(same(again.bytes, bytes) && again.id === id, 'the job that was read has another id');
  },
});

const partsOf = (jws: string): [string, string, string] => {
  const [header = '', payload = '', signature = ''] = jws.split('.');
  return [header, payload, signature];
};
const payloadIn = (jws: string): string => fromUtf8(fromBase64Url(partsOf(jws)[1], 'payload'));
/** Stands for every key a stranger has: what it signs is well signed. */
const stranger = testKey('stranger');

/** The signed text as it travels: of a document touched after it was signed nothing is taken. */
const signedMessage = (kind: MessageKind): AnyTarget => {
  const known = new Set<string>();
  return define<string>({
    name: `${kind}-jws`,
    async seeds() {
      const seeds = validTexts(kind);
      for (const seed of seeds) known.add(seed);
      return seeds;
    },
    arbitrary: (seeds) =>
      fc.oneof(
        mutatedText(seeds),
        // Parts of one under the signature of another.
        fc
          .tuple(
            fc.constantFrom(...seeds),
            fc.constantFrom(...seeds),
            mutatedJson(seeds.map(payloadIn)),
            fc.nat({ max: 3 }),
          )
          .map(([one, other, text, how]) => {
            const [header, payload, signature] = partsOf(one);
            const changed = toBase64Url(toUtf8(text));
            if (how === 0) return [header, partsOf(other)[1], signature].join('.');
            if (how === 1) return [header, changed, signature].join('.');
            if (how === 2) return [toBase64Url(toUtf8(text)), payload, signature].join('.');
            return [header, payload, partsOf(other)[2]].join('.');
          }),
      ),
    async run(text) {
      const opened = await openMessage(kind, text, joseVerifier);
      must(known.has(text), 'a document that nobody signed like this was taken');
      must(opened.raw === text, 'the document came out otherwise than it went in');
    },
  });
};

/** Its payload, well signed by a stranger: what the key of any joiner can put before every other node. */
const messagePayload = (kind: MessageKind): AnyTarget =>
  define<string>({
    name: `${kind}-payload`,
    seeds: async () =>
      validTexts(kind).map((jws) =>
        fromUtf8(encodeCanonical({ ...JSON.parse(payloadIn(jws)), iss: stranger.id })),
      ),
    arbitrary: (seeds) =>
      fc.oneof({ weight: 4, arbitrary: mutatedJson(seeds) }, { weight: 1, arbitrary: mutatedText(seeds) }),
    async run(text) {
      const header = { alg: 'Ed25519', typ: typOf(kind), kid: stranger.id } as const;
      const bytes = toUtf8(text);
      const opened = await openMessage(kind, await stranger.signer.jws(header, bytes), joseVerifier);
      must(same(encodeCanonical(opened.payload), bytes), 'what was read is not what was signed');
      must(idOf(opened.payload) === opened.id, 'the document has another id');
      must(opened.signer === opened.payload.iss, 'the document speaks for somebody else');
    },
  });

const statementSeeds = (kind: 'receipt' | 'verdict') => validTexts(kind);

const signedStatement = (kind: 'receipt' | 'verdict'): AnyTarget => {
  const known = new Set<string>();
  const payloadOf = (raw: string): string => JSON.parse(raw).payload;
  return define<string>({
    name: `${kind}-dsse`,
    async seeds() {
      const seeds = statementSeeds(kind);
      for (const seed of seeds) known.add(payloadOf(seed));
      return seeds;
    },
    arbitrary: (seeds) => fc.oneof(mutatedText(seeds), mutatedJson(seeds)),
    async run(text) {
      const { payload, signers } = await openStatement(kind, text, joseVerifier);
      must(
        known.has(toBase64(encodeCanonical(payload))),
        'a statement that nobody signed like this was taken',
      );
      must(
        new Set(signers).size === signers.length && signers.length > 0,
        'a signer is counted twice, or none is there',
      );
      await cosignStatement(text, stranger.signer);
    },
  });
};

const statementPayload = (kind: 'receipt' | 'verdict'): AnyTarget =>
  define<string>({
    name: `${kind}-payload`,
    seeds: async () =>
      statementSeeds(kind).map((raw) => fromUtf8(fromBase64(JSON.parse(raw).payload, 'payload'))),
    arbitrary: (seeds) =>
      fc.oneof({ weight: 4, arbitrary: mutatedJson(seeds) }, { weight: 1, arbitrary: mutatedText(seeds) }),
    async run(text) {
      const bytes = toUtf8(text);
      const signature = toBase64(await stranger.signer.raw(preAuthEncoding(bytes)));
      const envelope = {
        payload: toBase64(bytes),
        payloadType: 'application/vnd.in-toto+json',
        signatures: [{ keyid: stranger.id, sig: signature }],
      };
      const opened = await openStatement(kind, fromUtf8(encodeCanonical(envelope)), joseVerifier);
      must(same(encodeCanonical(opened.payload), bytes), 'what was read is not what was signed');
    },
  });

/** Changes that a bundle may have and prove the same: what is said of them is in `test/proof/rulings.ts`. */
let truth: string | undefined;
const bundle = define<string>({
  name: 'bundle',
  async seeds() {
    const { bundle: valid } = await project();
    const { ok, level, facts } = await verifyBundle(valid, { project: projectId }, joseVerifier);
    must(ok && level === 'trusted', 'the bundle of the corpus is trusted');
    truth = JSON.stringify({ level, facts });
    return [encodeBundle(valid)];
  },
  arbitrary: (seeds) =>
    fc.oneof({ weight: 1, arbitrary: mutatedText(seeds) }, { weight: 3, arbitrary: mutatedJson(seeds) }),
  // A valid one has a dozen signatures to check.
  msMax: 200,
  async run(text) {
    const read: Bundle = decodeBundle(text);
    must(encodeBundle(read) === text, 'the bundle encodes to another text');
    const { ok, level, facts, code } = await verifyBundle(read, { project: projectId }, joseVerifier);
    must(ok || code !== null, 'a bundle was refused without a code');
    must(!ok || JSON.stringify({ level, facts }) === truth, 'a changed bundle proves something else');
  },
});

let knownRevocations: string[] = [];
const revocationList = define<string>({
  name: 'revocations',
  async seeds() {
    const idp = testKey('idp').signer;
    const what = { kind: 'operator', id: 'ada' } as const;
    const payload = { iss: idp.id, project: projectId, what, since: 3, reason: 'stolen', iat: 1_700_000_000 };
    const { raw, id } = await signMessage('revocation', payload, idp);
    knownRevocations = [id];
    const charter = await signMessage('charter', makeCharter(), testKey('root').signer);
    return [JSON.stringify({ charters: [charter.raw], revocations: [raw] })];
  },
  arbitrary: (seeds) =>
    fc.oneof({ weight: 1, arbitrary: mutatedText(seeds) }, { weight: 3, arbitrary: mutatedJson(seeds) }),
  msMax: 200,
  async run(text) {
    const list = decodeRevocations(text, 'a list');
    const { opened } = await openRevocations(list, projectId, joseVerifier);
    const foreign = opened.filter(({ revocation }) => !knownRevocations.includes(revocation.id));
    must(foreign.length === 0, 'a revocation that nobody signed holds');
  },
});

const base64 = define<string>({
  name: 'base64',
  seeds: async () => ['', 'AA', 'AAA', 'AAAA', 'AAAAAA', '-_-_', 'Zm9vYmE'],
  arbitrary: (seeds) => mutatedText(seeds, ['A', '=', '==', '-', '_', '+', '/', '\n']),
  run(text) {
    must(toBase64Url(fromBase64Url(text, 'a text')) === text, 'one of several spellings was taken');
    const padded = `${text.replaceAll('-', '+').replaceAll('_', '/')}${'='.repeat((4 - (text.length % 4)) % 4)}`;
    must(toBase64(fromBase64(padded, 'a text')) === padded, 'one of several spellings was taken');
  },
});

const peerId = define<string>({
  name: 'peer-id',
  seeds: async () => [stranger.id, testKey('root').id],
  arbitrary: (seeds) => mutatedText(seeds, ['1', 'z', 'Qm', '12D3KooW', '12D3KooW'.repeat(7)]),
  run(text) {
    must(peerIdOf(publicKeyOf(text)) === text, 'one key has two PeerIds');
  },
});

export const targets: readonly AnyTarget[] = [
  canonical,
  job,
  ...messageKinds.map(signedMessage),
  ...messageKinds.map(messagePayload),
  signedStatement('receipt'),
  signedStatement('verdict'),
  statementPayload('receipt'),
  statementPayload('verdict'),
  bundle,
  revocationList,
  equivocation,
  base64,
  peerId,
];
