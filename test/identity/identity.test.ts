import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompactSign } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueInvite, randomNonce } from '../../src/identity/idp.ts';
import { createKey, generateSeed, keyFromSeed, loadKey } from '../../src/identity/keys.ts';
import { publicPemOf } from '../../src/identity/pem.ts';
import { decodeTicket, encodeTicket } from '../../src/identity/ticket.ts';
import { joseVerifier, remembering } from '../../src/identity/verifier.ts';
import { openMessage, peerIdOf } from '../../src/protocol/documents/index.ts';

const now = 1_700_000_000_000;
const idp = keyFromSeed(new Uint8Array(32).fill(1));
const worker = keyFromSeed(new Uint8Array(32).fill(2));
const project = keyFromSeed(new Uint8Array(32).fill(3)).id;
const code = (value: string) => expect.objectContaining({ code: value });
let dir = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-identity-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('signatures that only a careless verifier takes', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const prime = 2n ** 255n - 19n;
  const bytesOf = (value: bigint) =>
    Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
  const numberOf = (bytes: Uint8Array) =>
    [...bytes].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const message = new TextEncoder().encode('hello');

  it('have S out of its range (RFC 8032 §5.1.7)', async () => {
    const signature = await worker.signer.raw(message);
    expect(await joseVerifier.raw(message, signature, worker.id)).toBe(true);
    const twin = Uint8Array.from(signature);
    twin.set(bytesOf(numberOf(signature.slice(32)) + order), 32);
    expect(await joseVerifier.raw(message, twin, worker.id)).toBe(false);
  });

  it.each([
    ['the identity point', 1n],
    ['the identity point, encoded otherwise', prime + 1n],
    ['a point of order two', prime - 1n],
    ['a point of order four', 0n],
  ])('are of a key that signs everything: %s', async (_what, y) => {
    // R is the identity and S is 0: with such a key that fits any message, or one in a few.
    const universal = Uint8Array.from([...bytesOf(1n), ...new Uint8Array(32)]);
    const held = async (n: number) =>
      joseVerifier.raw(Uint8Array.of(n), universal, peerIdOf(bytesOf(y))).catch(() => false);
    const taken = await Promise.all(Array.from({ length: 16 }, (_, n) => held(n)));
    expect(taken.some((one) => one)).toBe(false);
  });
});

describe('key files', () => {
  it('creates a key that only its owner can read, and loads the same one again', async () => {
    const file = join(dir, 'new', 'node.key');
    const made = await createKey(file);
    const loaded = await loadKey(file);
    expect(loaded.id).toBe(made.id);
    expect(loaded.seed).toEqual(made.seed);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(dir, 'new'))).toEqual(['node.key']);
  });

  it('never overwrites a key', async () => {
    const file = join(dir, 'once.key');
    await createKey(file);
    const before = await readFile(file, 'utf8');
    await expect(createKey(file)).rejects.toEqual(code('KEY_FILE_EXISTS'));
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(await readdir(dir)).not.toContainEqual(expect.stringContaining('.new'));
  });

  it('refuses a key that others can read and says which chmod mends it', async () => {
    const file = join(dir, 'open.key');
    await createKey(file);
    await chmod(file, 0o640);
    await expect(loadKey(file)).rejects.toMatchObject({
      code: 'KEY_FILE_EXPOSED',
      hint: expect.stringContaining(`chmod 600 ${file}`),
    });
    await chmod(file, 0o600);
    await expect(loadKey(file)).resolves.toBeDefined();
  });

  it('refuses files that are missing, no key, or a key of another kind', async () => {
    await expect(loadKey(join(dir, 'none'))).rejects.toEqual(code('KEY_FILE_MISSING'));
    const file = join(dir, 'bad.key');
    await writeFile(file, 'hello', { mode: 0o600 });
    await expect(loadKey(file)).rejects.toEqual(code('KEY_FILE_INVALID'));
    const folder = join(dir, 'folder.key');
    // A folder's default, and a folder of its owner alone.
    for (const mode of [0o755, 0o700]) {
      await mkdir(folder, { recursive: true });
      await chmod(folder, mode);
      await expect(loadKey(folder)).rejects.toMatchObject({
        code: 'KEY_FILE_INVALID',
        message: `${folder} is a folder, and no key`,
        hint: expect.stringContaining(`mv ${folder} `),
      });
    }
    const ec = execFileSync('openssl', [
      'genpkey',
      '-algorithm',
      'EC',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
    ]);
    await writeFile(file, ec);
    await expect(loadKey(file)).rejects.toEqual(code('KEY_FILE_INVALID'));
  });

  it('is the key openssl sees: RFC 8032 test 1', async () => {
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex');
    const key = await createKey(join(dir, 'rfc8032.key'), seed);
    const signature = await key.signer.raw(new Uint8Array());
    expect(Buffer.from(signature).toString('hex')).toBe(
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    );
    const pem = execFileSync('openssl', ['pkey', '-in', join(dir, 'rfc8032.key'), '-pubout']).toString();
    expect(publicPemOf(key.id)).toBe(pem);
  });
});

describe('the verifier', () => {
  it('takes its own signatures and no others', async () => {
    const payload = Buffer.from('{}');
    const jws = await worker.signer.jws({ alg: 'Ed25519', typ: 'x', kid: worker.id }, payload);
    expect(await joseVerifier.jws(jws, worker.id)).toBe(true);
    expect(await joseVerifier.jws(jws, idp.id)).toBe(false);
    expect(await joseVerifier.jws(`${jws}A`, worker.id)).toBe(false);
    const signature = await worker.signer.raw(payload);
    expect(await joseVerifier.raw(payload, signature, worker.id)).toBe(true);
    expect(await joseVerifier.raw(payload, signature, idp.id)).toBe(false);
    expect(await joseVerifier.raw(payload, signature.slice(1), worker.id)).toBe(false);
  });

  it.each(['EdDSA', 'HS256', 'none'])('refuses alg %s', async (alg) => {
    const secret = alg === 'HS256' ? Buffer.from(publicPemOf(worker.id)) : undefined;
    let jws = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`;
    if (alg === 'HS256' && secret) {
      jws = await new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg }).sign(secret);
    } else if (alg === 'EdDSA') {
      const { createPrivateKey } = await import('node:crypto');
      const pem = createPrivateKey({
        key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), worker.seed]),
        format: 'der',
        type: 'pkcs8',
      });
      jws = await new CompactSign(Buffer.from('{}')).setProtectedHeader({ alg }).sign(pem);
    }
    expect(await joseVerifier.jws(jws, worker.id)).toBe(false);
  });

  it('keeps working past its cache of keys', async () => {
    const message = Uint8Array.of(1);
    const signature = await worker.signer.raw(message);
    for (let i = 0; i < 1_100; i++) {
      const other = keyFromSeed(generateSeed());
      if (i % 100 === 0) expect(await joseVerifier.raw(message, signature, other.id)).toBe(false);
    }
    expect(await joseVerifier.raw(message, signature, worker.id)).toBe(true);
  });
});

describe('a verifier that remembers', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  /** Says what `holds` says, and counts how often it was asked. */
  function counting(holds: () => boolean, max?: number) {
    let asked = 0;
    const answer = async () => {
      asked++;
      return holds();
    };
    return { verifier: remembering({ jws: answer, raw: answer }, max), asked: () => asked };
  }

  it('asks once about what is good', async () => {
    const { verifier, asked } = counting(() => true);
    for (let n = 0; n < 3; n++) {
      expect(await verifier.jws('a.b.c', 'ada')).toBe(true);
      expect(await verifier.raw(bytes('message'), bytes('signature'), 'ada')).toBe(true);
    }
    expect(asked()).toBe(2);
  });

  it('asks again about everything else, however it is cut', async () => {
    let holds = true;
    const { verifier } = counting(() => holds);
    expect(await verifier.jws('a.b.c', 'ada')).toBe(true);
    expect(await verifier.raw(bytes('message'), bytes('signature'), 'ada')).toBe(true);
    holds = false;
    const others = [
      verifier.jws('a.b.c', 'bob'),
      verifier.jws('a.b.d', 'ada'),
      verifier.jws('aa.b.c', 'ad'),
      verifier.jws('.b.c', 'adaa'),
      verifier.raw(bytes('message'), bytes('signature'), 'bob'),
      verifier.raw(bytes('massage'), bytes('signature'), 'ada'),
      verifier.raw(bytes('message'), bytes('signaturf'), 'ada'),
      verifier.raw(bytes('emessage'), bytes('signatur'), 'ada'),
      verifier.raw(bytes('message'), bytes('ignature'), 'adas'),
      verifier.raw(bytes('essage'), bytes('signaturem'), 'ada'),
    ];
    expect(await Promise.all(others)).toEqual(others.map(() => false));
  });

  it('remembers nothing bad, and no more than it may', async () => {
    const bad = counting(() => false);
    for (let n = 0; n < 3; n++) expect(await bad.verifier.jws('a.b.c', 'ada')).toBe(false);
    expect(bad.asked()).toBe(3);
    const few = counting(() => true, 2);
    for (const text of ['a', 'b', 'a', 'c', 'a']) await few.verifier.jws(text, 'ada');
    expect(few.asked()).toBe(3);
    await few.verifier.jws('b', 'ada');
    expect(few.asked()).toBe(4);
  });
});

describe('invites and tickets', () => {
  const parts = { project, operator: 'ada', role: 'worker', addrs: ['/ip4/127.0.0.1/tcp/1'], now } as const;

  it('survive a chat', async () => {
    const invite = await issueInvite(idp.signer, parts);
    const { seed } = idp;
    const ticket = encodeTicket({ invite: invite.raw, seed });
    expect(ticket).toMatch(/^quorate1\.[A-Za-z0-9_.-]+$/);
    const wrapped = `${ticket.match(/.{1,60}/g)?.join('\r\n  ')}`;
    for (const paste of [ticket, `"${ticket}"\n`, `\`${ticket}\``, `<${ticket}>`, `“${wrapped}”`]) {
      const read = decodeTicket(paste);
      expect(read.seed).toEqual(seed);
      const opened = await openMessage('invite', read.invite, joseVerifier);
      expect(opened.payload).toEqual(invite.payload);
    }
    expect(decodeTicket(`quorate join ${ticket}`).invite).toBe(invite.raw);
    expect(decodeTicket(encodeTicket({ invite: invite.raw }))).toEqual({ invite: invite.raw });
  });

  it('are refused when cut, foreign or newer', async () => {
    const invite = (await issueInvite(idp.signer, parts)).raw;
    const ticket = encodeTicket({ invite });
    for (const bad of [
      '',
      'quorate1.',
      ticket.slice(0, -1),
      ticket.slice(1),
      `${ticket}x`,
      'a'.repeat(20_000),
      // No key ends so: its last character has six bits, of which four count.
      encodeTicket({ invite, seed: idp.seed }).replace(/.$/, '_'),
    ]) {
      expect(() => decodeTicket(bad)).toThrow(code('TICKET_MALFORMED'));
    }
    expect(() => decodeTicket(ticket.replace('quorate1', 'quorate2'))).toThrow(
      code('TICKET_UNKNOWN_VERSION'),
    );
  });

  it('for a trusted worker name its key', async () => {
    const forTrusted = { ...parts, role: 'trusted-worker' } as const;
    await expect(issueInvite(idp.signer, forTrusted)).rejects.toEqual(code('INVITE_NEEDS_KEY'));
    const invite = await issueInvite(idp.signer, { ...forTrusted, key: worker.id });
    expect(invite.payload.key).toBe(worker.id);
  });

  it('last no longer than the limit', async () => {
    const seconds = 31 * 24 * 3600;
    await expect(issueInvite(idp.signer, { ...parts, seconds })).rejects.toEqual(code('INVITE_TOO_LONG'));
  });
});

it('no two nonces are equal', () => {
  expect(new Set(Array.from({ length: 100 }, randomNonce)).size).toBe(100);
});
