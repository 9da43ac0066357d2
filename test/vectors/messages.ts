import { createHmac } from 'node:crypto';
import type { NodeKey } from '../../src/identity/keys.ts';
import { publicPemOf } from '../../src/identity/pem.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import {
  encodeCanonical,
  formatNoteKey,
  idOf,
  type MessageKind,
  type Messages,
  noteKinds,
  typOf,
} from '../../src/protocol/documents/index.ts';
import {
  at,
  cidOf,
  makeCharter,
  makeGrant,
  makeOffer,
  makeRequest,
  nonceOf,
  project,
  recipe,
  testKey,
} from '../support/documents.ts';
import { mayHave, mayNotHave } from './growth.ts';
import type { Vector } from './vector.ts';

const base64url = (data: string | Uint8Array) => Buffer.from(data).toString('base64url');
const canonical = (value: unknown) => fromUtf8(encodeCanonical(value));
const mallory = testKey('mallory');
const worker = testKey('worker');
const job = cidOf('job');
const request = idOf('request');
const span = { jti: nonceOf('jti'), iat: at, exp: at + 600 };

const capabilities = {
  arch: 'x86_64',
  cpus: 4,
  memoryBytes: 2 ** 33,
  diskBytes: 2 ** 36,
  tiers: ['namespace'],
} as const;
const iss = (name: string) => testKey(name).id;

/** A valid document of each kind, and the name of the key that signs it. */
const examples: { [K in MessageKind]: { payload: Messages[K]; by: string } } = {
  charter: { by: 'root', payload: makeCharter() },
  invite: {
    by: 'idp',
    payload: {
      iss: iss('idp'),
      project,
      operator: 'ada',
      role: 'worker',
      hosts: 3,
      addrs: ['/dns4/quorate.example/tcp/4001'],
      ...span,
    },
  },
  grant: { by: 'idp', payload: makeGrant(worker, 'ada', 'worker', { enrolled: 7 }) },
  enrol: {
    by: 'worker',
    payload: { iss: worker.id, aud: iss('idp'), project, invite: nonceOf('invite'), ...span },
  },
  possession: {
    by: 'ticket',
    payload: {
      iss: iss('ticket'),
      project,
      invite: nonceOf('invite'),
      sub: worker.id,
      iat: at,
      exp: at + 300,
    },
  },
  request: { by: 'publisher', payload: makeRequest(job) },
  offer: { by: 'controller', payload: makeOffer(request, job, { index: 12 }) },
  claim: {
    by: 'worker',
    payload: {
      iss: worker.id,
      aud: iss('controller'),
      offer: idOf('offer'),
      capabilities: { ...capabilities, tiers: ['namespace'] },
      ...span,
    },
  },
  lease: {
    by: 'controller',
    payload: {
      iss: iss('controller'),
      aud: worker.id,
      project,
      claim: idOf('claim'),
      offer: idOf('offer'),
      job,
      round: 1,
      operator: 'ada',
      slot: 0,
      fence: { epoch: 1, n: 1 },
      iat: at,
      exp: at + 600,
    },
  },
  ack: {
    by: 'controller',
    payload: {
      iss: iss('controller'),
      aud: worker.id,
      lease: idOf('lease'),
      receipt: idOf('receipt'),
      index: 3,
      iat: at,
    },
  },
  revocation: {
    by: 'idp',
    payload: {
      iss: iss('idp'),
      project,
      what: { kind: 'operator', id: 'ada' },
      since: 12,
      reason: 'the laptop was stolen',
      iat: at,
    },
  },
  'sign-in': {
    by: 'publisher',
    payload: {
      iss: iss('publisher'),
      aud: 'https://ci.example.org',
      project,
      challenge: nonceOf('challenge'),
      iat: at,
      exp: at + 60,
    },
  },
  session: {
    by: 'idp',
    payload: {
      iss: iss('idp'),
      aud: 'https://watch.example.org:8443',
      project,
      sub: 'https://login.example.org#248289761001',
      name: 'Ada',
      role: 'publisher',
      jti: nonceOf('jti'),
      iat: at,
      exp: at + 300,
    },
  },
};

/** Signs any header over any payload: what no honest signer does. */
async function forge(header: string | object, payload: string | Uint8Array, key: NodeKey): Promise<string> {
  const input = `${base64url(typeof header === 'string' ? header : canonical(header))}.${base64url(payload)}`;
  return `${input}.${base64url(await key.signer.raw(Buffer.from(input)))}`;
}

function flip(text: string, at: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const value = alphabet.indexOf(text[at] ?? 'A');
  return text.slice(0, at) + alphabet[value ^ 32] + text.slice(at + 1);
}

/** The last of 86 characters of a signature has four spare bits. */
function withSpareBits(compact: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return compact.slice(0, -1) + alphabet[alphabet.indexOf(compact.at(-1) ?? 'A') + 1];
}

async function refused(
  kind: MessageKind,
  payload: object,
  key: NodeKey,
): Promise<[string, string, string][]> {
  const header = { alg: 'Ed25519', kid: key.id, typ: typOf(kind) };
  const text = canonical(payload);
  const valid = await forge(header, text, key);
  const [head = '', body = '', signature = ''] = valid.split('.');
  const otherKind = kind === 'grant' ? 'lease' : 'grant';
  const hs = `${base64url(canonical({ ...header, alg: 'HS256' }))}.${body}`;
  const hmac = createHmac('sha256', publicPemOf(key.id)).update(hs).digest('base64url');
  const [first = ''] = Object.keys(payload);
  const member = `${JSON.stringify(first)}:${JSON.stringify(Object.values(payload)[0])}`;
  const { iat: _iat, iss: _iss, ...rest } = payload as { iat: number; iss: string };
  const as = (value: unknown) => forge(header, typeof value === 'string' ? value : canonical(value), key);
  return [
    ['of another type', await forge({ ...header, typ: typOf(otherKind) }, text, key), 'DOC_WRONG_TYPE'],
    [
      'with a type in capitals',
      await forge({ ...header, typ: typOf(kind).toUpperCase() }, text, key),
      'DOC_WRONG_TYPE',
    ],
    ['alg none', `${base64url(canonical({ ...header, alg: 'none' }))}.${body}.`, 'DOC_WRONG_ALG'],
    ['alg HS256 with the public key as its secret', `${hs}.${hmac}`, 'DOC_WRONG_ALG'],
    ['alg EdDSA', await forge({ ...header, alg: 'EdDSA' }, text, key), 'DOC_WRONG_ALG'],
    ['alg in small letters', await forge({ ...header, alg: 'ed25519' }, text, key), 'DOC_WRONG_ALG'],
    ['with a key in the header', await forge({ ...header, jwk: { kty: 'OKP' } }, text, key), 'DOC_INVALID'],
    [
      'with a critical extension',
      await forge({ ...header, b64: false, crit: ['b64'] }, text, key),
      'DOC_INVALID',
    ],
    ['without kid', await forge({ alg: 'Ed25519', typ: typOf(kind) }, text, key), 'DOC_INVALID'],
    [
      'with a kid that is no PeerId',
      await forge({ ...header, kid: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' }, text, key),
      'DOC_INVALID',
    ],
    [
      'with a header out of order',
      await forge(JSON.stringify({ typ: typOf(kind), kid: key.id, alg: 'Ed25519' }), text, key),
      'DOC_NOT_CANONICAL',
    ],
    [
      'with a header key twice',
      await forge(`{"alg":"none",${canonical(header).slice(1)}`, text, key),
      'DOC_NOT_JSON',
    ],
    ['with an empty header', await forge('{}', text, key), 'DOC_INVALID'],
    ['with white space', await as(`${text} `), 'DOC_NOT_CANONICAL'],
    ['with white space inside', await as(text.replace('{', '{ ')), 'DOC_NOT_CANONICAL'],
    ['with a key twice', await as(`{${member},${text.slice(1)}`), 'DOC_NOT_JSON'],
    [
      'with keys out of order',
      await as(`${text.slice(0, -1).replace('{', '{"zzz":1,')}}`),
      'DOC_NOT_CANONICAL',
    ],
    [
      'with an escape where none is needed',
      await as(text.replace('"iss"', '"\\u0069ss"')),
      'DOC_NOT_CANONICAL',
    ],
    ['with a float for a time', await as(text.replace(/"iat":(\d+)/, '"iat":$1.0')), 'DOC_NOT_CANONICAL'],
    ['with half a second', await as({ ...payload, iat: at + 0.5 }), 'DOC_INVALID'],
    ['with a time in text', await as({ ...payload, iat: String(at) }), 'DOC_INVALID'],
    ['with a time before 1970', await as({ ...payload, iat: -1 }), 'DOC_INVALID'],
    ['with an unknown field', await as({ ...payload, zz: 1 }), 'DOC_INVALID'],
    ['with a field __proto__', await as(text.replace('{', '{"__proto__":{"zz":1},')), 'DOC_INVALID'],
    ['without iss', await as({ ...rest, iat: at }), 'DOC_INVALID'],
    ['without iat', await as({ ...rest, iss: key.id }), 'DOC_INVALID'],
    [
      'with a link for a key',
      await as(text.replace(`"iss":"${key.id}"`, `"iss":{"/":"${job}"}`)),
      'DOC_INVALID',
    ],
    ['with nothing for an object', await as('null'), 'DOC_INVALID'],
    ['with an array for an object', await as('[]'), 'DOC_INVALID'],
    ['that is not JSON', await as('hello'), 'DOC_NOT_JSON'],
    [
      'that is not UTF-8',
      await forge(header, Buffer.from(text.replace('"iss":"', '"iss":"\u00ff'), 'latin1'), key),
      'DOC_NOT_CANONICAL',
    ],
    ['behind a byte order mark', await as(`\ufeff${text}`), 'DOC_NOT_JSON'],
    ['nested too deep', await as(`{"a":${'['.repeat(40)}${']'.repeat(40)}}`), 'DOC_TOO_DEEP'],
    ['signed by another key than the one it names', await forge(header, text, mallory), 'DOC_BAD_SIGNATURE'],
    [
      'issued in the name of another',
      await forge({ ...header, kid: mallory.id }, text, mallory),
      'DOC_WRONG_ISSUER',
    ],
    ['with a bit of the signature flipped', `${head}.${body}.${flip(signature, 10)}`, 'DOC_BAD_SIGNATURE'],
    ['with a bit of the payload flipped', `${head}.${flip(body, 12)}.${signature}`, 'DOC_BAD_SIGNATURE'],
    [
      'with the payload of another kind',
      `${head}.${base64url(canonical(examples[otherKind].payload))}.${signature}`,
      'DOC_BAD_SIGNATURE',
    ],
    ['without a signature', `${head}.${body}.`, 'DOC_BAD_SIGNATURE'],
    ['without a payload', `${head}..${signature}`, 'DOC_BAD_SIGNATURE'],
    ['with padding', `${valid}==`, 'DOC_NOT_BASE64'],
    ['with spare bits', withSpareBits(valid), 'DOC_NOT_BASE64'],
    ['with a newline', `${valid}\n`, 'DOC_NOT_BASE64'],
    ['cut short', valid.slice(0, -22), 'DOC_BAD_SIGNATURE'],
    ['of two parts', `${head}.${body}`, 'DOC_NOT_JWS'],
    ['of four parts', `${valid}.${signature}`, 'DOC_NOT_JWS'],
    ['in the JSON form of JWS', JSON.stringify({ protected: head, payload: body, signature }), 'DOC_NOT_JWS'],
    ['empty', '', 'DOC_NOT_JWS'],
  ];
}

const witnessKey = (name: string, of = 'witness') => formatNoteKey(name, noteKinds.cosignature, iss(of));
const witnesses = (need: number, keys: string[]) => ({ witnesses: { need, keys } });

/** Taken by the schema of one kind alone, beside the example. */
const idpKey = { kind: 'key', id: iss('idp') };

const variants: Partial<Record<MessageKind, [string, object][]>> = {
  charter: [
    ['with job files from outside', { recipes: 'outside' }],
    ['with a floor for tests', { testFloor: { agree: 2, of: 3, cosign: 'none', rounds: 2 } }],
    [
      'with witnesses of others',
      witnesses(1, [witnessKey('w.example'), witnessKey('https://v.example/log', 'other')]),
    ],
  ],
  request: [
    ['with a job file from outside', { recipe }],
    [
      'that needs others',
      { needs: { lib: { request, level: 'agreed' }, test: { request, level: 'trusted', gate: true } } },
    ],
  ],
  revocation: [
    ['of a key', { what: idpKey }],
    ['of a key of whose revocations one stays', { v: 2, what: idpKey, keeps: [idOf('kept')] }],
    ['of a key that wrote a leaf that is void', { v: 3, what: idpKey, voidLeaves: [idOf('nothing')] }],
    [
      'of a key of which one stays and a leaf is void',
      { v: 3, what: idpKey, keeps: [idOf('kept')], voidLeaves: [idOf('nothing')] },
    ],
  ],
};

/** Refused by the schema of one kind alone. */
const fields: Partial<Record<MessageKind, [string, object][]>> = {
  charter: [
    ['without controllers', { controllers: [] }],
    ['with a floor that two artifacts can pass', { floor: { agree: 1, of: 3, cosign: 'none', rounds: 1 } }],
    [
      'with a floor for tests that two results can pass',
      { testFloor: { agree: 1, of: 3, cosign: 'none', rounds: 1 } },
    ],
    ['with control characters in a host', { vcs: ['git\u001b[2J'] }],
    ['with job files from nowhere else, in the longer form', { recipes: 'own' }],
    ['with a name that is a path', { name: '../x' }],
    ['that needs more witnesses than it names', witnesses(2, [witnessKey('w.example')])],
    ['that names no witness', witnesses(1, [])],
    ['that needs no witness', witnesses(0, [witnessKey('w.example')])],
    ['that names a witness twice', witnesses(1, [witnessKey('w.example'), witnessKey('w.example', 'other')])],
    ["that names a witness's key twice", witnesses(1, [witnessKey('w.example'), witnessKey('v.example')])],
    ["with the log's key for a witness", witnesses(1, [witnessKey('w.example', 'log')])],
    ["with the controller's key for a witness", witnesses(1, [witnessKey('w.example', 'controller')])],
    [
      "with a log's key for a witness's",
      witnesses(1, [formatNoteKey('w.example', noteKinds.ed25519, iss('witness'))]),
    ],
    [
      'with a witness whose key id is of another name',
      witnesses(1, [witnessKey('w.example').replace('w.', 'v.')]),
    ],
    ['with a witness named with a space', witnesses(1, [witnessKey('w example')])],
  ],
  invite: [
    ['for nobody', { operator: '' }],
    ['for no host', { hosts: 0 }],
    ['with an unknown role', { role: 'root' }],
    ['with a short jti', { jti: 'abc' }],
  ],
  grant: [
    ['of more than a day', { exp: at - 3600 + 86_401 }],
    ['that ends before it starts', { exp: at - 7200 }],
    ['with a negative enrolment', { enrolled: -1 }],
    ['for a key that is not Ed25519', { sub: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' }],
  ],
  request: [
    ['for a CIDv0', { job: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' }],
    ['for a job CID in capitals', { job: job.toUpperCase() }],
    ['for a branch', { commit: 'main' }],
    ['for a short commit', { commit: 'c0ffee0' }],
    ['that more must agree than there are', { policy: { agree: 3, of: 2, cosign: 'none', rounds: 1 } }],
    ['that half are enough', { policy: { agree: 2, of: 4, cosign: 'none', rounds: 1 } }],
    ['that nobody must agree', { policy: { agree: 0, of: 1, cosign: 'none', rounds: 1 } }],
    ['with a right-to-left override in its ref', { ref: 'main\u202e' }],
    ['with a job file whose path leads out of its repository', { recipe: { ...recipe, path: '../x' } }],
    ['with a job file at a branch', { recipe: { ...recipe, commit: 'main' } }],
    ['with a job file without a digest', { recipe: { ...recipe, sha256: '' } }],
    ['that needs nothing, in the longer form', { needs: {} }],
    ['that needs what is no request', { needs: { lib: { request: 'lib', level: 'agreed' } } }],
    ['that needs a level that is none', { needs: { lib: { request, level: 'provisional' } } }],
    [
      'that reads what it needs, in the longer form',
      { needs: { lib: { request, level: 'agreed', gate: false } } },
    ],
    ['that needs what is a path', { needs: { '../lib': { request, level: 'agreed' } } }],
    [
      'that needs too much',
      {
        needs: Object.fromEntries(
          Array.from({ length: 65 }, (_, n) => [`n${n}`, { request, level: 'agreed' }]),
        ),
      },
    ],
  ],
  offer: [
    ['of round 0', { round: 0 }],
    ['of round 99', { round: 99 }],
    ['with no share', { draw: { seed: nonceOf('seed'), share: 0, widenMs: 1000 } }],
    ['with more than everybody', { draw: { seed: nonceOf('seed'), share: 2 ** 32 + 1, widenMs: 1000 } }],
    ['with a request that is no hash', { request: 'abc' }],
  ],
  claim: [['from a machine without a sandbox', { capabilities: { ...capabilities, tiers: [] } }]],
  lease: [
    ['for slot 99', { slot: 99 }],
    ['for a slot of another name', { slot: 'boss' }],
    ['with a fence that is a number', { fence: 1 }],
    ['with a negative fence', { fence: { epoch: 1, n: -1 } }],
  ],
  ack: [['at an index that is no integer', { index: 2 ** 53 }]],
  revocation: [
    ['without a reason', { reason: '' }],
    ['with control characters in its reason', { reason: 'gone\u001b[2J' }],
    ['from before the log begins', { since: -1 }],
    ['of something unknown', { what: { kind: 'publisher', id: 'ada' } }],
    ['of a key that is an operator', { what: { kind: 'key', id: 'ada' } }],
    ['of an operator that is a path', { what: { kind: 'operator', id: '../ada' } }],
    ['of a job that is no CID', { what: { kind: 'job', id: 'ada' } }],
    ['of an image by name', { what: { kind: 'image', id: 'host' } }],
    ['of an artifact in capitals', { what: { kind: 'artifact', id: job.toUpperCase() } }],
    ['of version 2 that keeps nothing', { v: 2, what: idpKey }],
    ['of version 2 with an empty list of what is kept', { v: 2, what: idpKey, keeps: [] }],
    ['that keeps some and is of version 1', { what: idpKey, keeps: [idOf('kept')] }],
    ['of an operator that keeps some', { v: 2, keeps: [idOf('kept')] }],
    ['that keeps what is no id', { v: 2, what: idpKey, keeps: ['kept'] }],
    [
      'that keeps more than a key may have',
      { v: 2, what: idpKey, keeps: Array.from({ length: 1001 }, (_, n) => idOf(`kept ${n}`)) },
    ],
    ['of version 3 that voids no leaf', { v: 3, what: idpKey, keeps: [idOf('kept')] }],
    ['of version 3 with an empty list of leaves', { v: 3, what: idpKey, voidLeaves: [] }],
    ['that voids a leaf and is of version 1', { what: idpKey, voidLeaves: [idOf('nothing')] }],
    ['that voids a leaf and is of version 2', { v: 2, what: idpKey, voidLeaves: [idOf('nothing')] }],
    ['of an operator that voids a leaf', { v: 3, voidLeaves: [idOf('nothing')] }],
    ['that voids what is no id', { v: 3, what: idpKey, voidLeaves: ['nothing'] }],
  ],
  possession: [
    ['of a short invite', { invite: 'abc' }],
    ['for a name instead of a key', { sub: 'ada' }],
  ],
  'sign-in': [
    ['of more than a minute', { exp: at + 61 }],
    ['that ends before it starts', { exp: at - 1 }],
    ['for a page instead of an origin', { aud: 'https://ci.example.org/runs' }],
    ['for an origin with a user in it', { aud: 'https://ci.example.org@evil.example' }],
    ['for an origin of another kind', { aud: 'file://ci.example.org' }],
  ],
  session: [
    ['of more than five minutes', { exp: at + 301 }],
    ['that ends before it starts', { exp: at - 1 }],
    ['for a role that votes', { role: 'worker' }],
    ['for a page instead of an origin', { aud: 'https://watch.example.org/' }],
    ['with control characters in the name', { name: 'Ada\u001b[2J' }],
    ['with a short jti', { jti: 'abc' }],
  ],
};

export async function messageVectors(kind: MessageKind): Promise<Vector[]> {
  const { payload, by } = examples[kind];
  const key = testKey(by);
  const header = { alg: 'Ed25519', kid: key.id, typ: typOf(kind) };
  const raw = await forge(header, canonical(payload), key);
  const now = at * 1000;
  const vectors: Vector[] = [
    { name: 'valid', kind, raw, signers: [by], now, expect: 'ok' },
    { name: 'from the future', kind, raw, now: now - 86_400_000 - 61_000, expect: 'DOC_FROM_FUTURE' },
  ];
  if ('exp' in payload)
    vectors.push({ name: 'expired', kind, raw, now: payload.exp * 1000 + 61_000, expect: 'DOC_EXPIRED' });
  for (const [name, text, code] of await refused(kind, payload, key))
    vectors.push({ name, kind, raw: text, expect: code });
  for (const [name, change] of variants[kind] ?? []) {
    const varied = await forge(header, canonical({ ...payload, ...change }), key);
    vectors.push({ name, kind, raw: varied, signers: [by], now, expect: 'ok' });
  }
  for (const [name, change] of fields[kind] ?? []) {
    vectors.push({
      name,
      kind,
      raw: await forge(header, canonical({ ...payload, ...change }), key),
      expect: 'DOC_INVALID',
    });
  }
  return [...vectors, ...(await growthVectors(kind))];
}

async function growthVectors(kind: MessageKind): Promise<Vector[]> {
  const { payload, by } = examples[kind];
  const key = testKey(by);
  const header = { alg: 'Ed25519', kid: key.id, typ: typOf(kind) };
  const grown = (change: object) => canonical({ ...payload, ...change });
  const [head, , signature] = (await forge(header, grown({}), key)).split('.');
  return [
    ...(await Promise.all(
      mayHave.map(async ([name, change]) => ({
        name,
        kind,
        raw: await forge(header, grown(change), key),
        signers: [by],
        now: at * 1000,
        expect: 'ok',
      })),
    )),
    ...(await Promise.all(
      mayNotHave.map(async ([name, change, expect]) => ({
        name,
        kind,
        raw: await forge(header, grown(change), key),
        expect,
      })),
    )),
    {
      name: 'with `more` out of order',
      kind,
      raw: await forge(header, grown({ more: { a: 1, b: 2 } }).replace('"a":1,"b":2', '"b":2,"a":1'), key),
      expect: 'DOC_NOT_CANONICAL',
    },
    {
      name: 'of version 9, under the signature of another text',
      kind,
      raw: `${head}.${base64url(grown({ v: 9 }))}.${signature}`,
      expect: 'DOC_BAD_SIGNATURE',
    },
  ];
}
