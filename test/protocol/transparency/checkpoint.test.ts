import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyFromSeed } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { formatNoteKey, noteKinds, parseNoteKey } from '../../../src/protocol/documents/index.ts';
import {
  addWitness,
  formatCheckpoint,
  MerkleTree,
  openCheckpoint,
  openLinesOf,
  openNamedWitnesses,
  openWitnessLine,
  parseCheckpoint,
  signatureLines,
  signCheckpoint,
  withoutWitnesses,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';

const key = (n: number) => keyFromSeed(new Uint8Array(32).fill(n));
const [root, log, witness, other] = [key(1), key(2), key(3), key(4)];
const project = root.id;
const tree = new MerkleTree(['a', 'b', 'c']);
const body = formatCheckpoint({ project, size: tree.size, root: tree.root() });
const expected = { project, log: log.id };
const code = (value: string) => expect.objectContaining({ code: value });
const open = (note: string) => openCheckpoint(note, expected, joseVerifier);

describe('checkpoints', () => {
  it('are C2SP tlog-checkpoint notes', async () => {
    const note = await signCheckpoint(body, log.signer);
    const lines = note.split('\n');
    expect(lines.slice(0, 4)).toEqual([
      `quorate/${project}`,
      '3',
      Buffer.from(tree.root(), 'hex').toString('base64'),
      '',
    ]);
    const [dash, name, base64 = ''] = lines[4]?.split(' ') ?? [];
    expect([dash, name]).toEqual(['—', `quorate/${project}`]);
    const bytes = Buffer.from(base64, 'base64');
    const publicKey = Buffer.from(
      log.id === '' ? '' : (await import('multiformats/bases/base58')).base58btc.decode(`z${log.id}`),
    ).subarray(6);
    const keyId = createHash('sha256')
      .update(Buffer.concat([Buffer.from(`quorate/${project}\n`), Buffer.of(1), publicKey]))
      .digest()
      .subarray(0, 4);
    expect(bytes.subarray(0, 4)).toEqual(keyId);
    expect(await joseVerifier.raw(Buffer.from(body), bytes.subarray(4), log.id)).toBe(true);
    expect(lines.slice(5)).toEqual(['']);
  });

  it('give size, root and witnesses with their times', async () => {
    const note = await signCheckpoint(body, log.signer);
    const first = await witnessCheckpoint(note, witness.signer, 1_700_000_000);
    const second = await witnessCheckpoint(note, other.signer, 1_700_000_001);
    const signed = addWitness(addWitness(note, first), second);
    expect(await open(addWitness(signed, first))).toEqual({
      origin: `quorate/${project}`,
      size: 3,
      root: tree.root(),
      body,
      witnesses: [
        { witness: witness.id, time: 1_700_000_000 },
        { witness: other.id, time: 1_700_000_001 },
      ],
    });
  });

  it('skip signatures of keys we do not know', async () => {
    const note = await signCheckpoint(body, log.signer);
    const stranger = `— witness.example/w1 ${Buffer.alloc(76, 7).toString('base64')}\n`;
    expect((await open(note + stranger)).witnesses).toEqual([]);
  });

  it('are refused when another key signed, or for another project', async () => {
    await expect(open(await signCheckpoint(body, other.signer))).rejects.toEqual(code('CHECKPOINT_UNSIGNED'));
    const foreign = formatCheckpoint({ project: other.id, size: 3, root: tree.root() });
    await expect(open(await signCheckpoint(foreign, log.signer))).rejects.toEqual(
      code('CHECKPOINT_LOG_MISMATCH'),
    );
  });

  it('are refused when the text or a signature was changed', async () => {
    const note = await signCheckpoint(body, log.signer);
    await expect(open(note.replace('\n3\n', '\n4\n'))).rejects.toEqual(code('CHECKPOINT_BAD_SIGNATURE'));
    const line = await witnessCheckpoint(note, witness.signer, 1_700_000_000);
    const later = await witnessCheckpoint(
      await signCheckpoint(formatCheckpoint({ project, size: 2, root: tree.root(2) }), log.signer),
      witness.signer,
      1_700_000_000,
    );
    await expect(open(note + line)).resolves.toBeDefined();
    await expect(open(note + later)).rejects.toEqual(code('CHECKPOINT_BAD_SIGNATURE'));
  });

  it('are refused when a witness time was changed', async () => {
    const note = await signCheckpoint(body, log.signer);
    const line = await witnessCheckpoint(note, witness.signer, 1_700_000_000);
    const [dash, name, base64 = ''] = line.trim().split(' ');
    const bytes = Buffer.from(base64, 'base64');
    bytes[11] = (bytes[11] ?? 0) ^ 1;
    const forged = `${dash} ${name} ${bytes.toString('base64')}\n`;
    await expect(open(note + forged)).rejects.toEqual(code('CHECKPOINT_BAD_SIGNATURE'));
  });

  it.each([
    ['nothing', ''],
    ['no signature', 'x\n1\ny\n'],
    ['a line that is no signature', `${body}\nhello\n`],
    ['a missing end of line', `${body}\n— a AAAAAAAA`],
    ['a short signature', `${body}\n— a AAAA\n`],
    ['too many characters', `${body}\n${`— a ${'A'.repeat(100)}\n`.repeat(100)}`],
  ])('are refused: %s', async (_name, note) => {
    await expect(open(note)).rejects.toEqual(code('CHECKPOINT_MALFORMED'));
  });

  it.each(['\n03\n', '\n-3\n', '\n3\nextension\n', '\n9999999999999999\n'])(
    'have one spelling: size %j is refused',
    async (size) => {
      const text = body.replace('\n3\n', size);
      const signature = Buffer.concat([Buffer.alloc(4), await log.signer.raw(Buffer.from(text))]);
      const note = `${text}\n— quorate/${project} ${signature.toString('base64')}\n`;
      await expect(open(note)).rejects.toEqual(
        expect.objectContaining({ code: expect.stringMatching(/^(CHECKPOINT_MALFORMED|DOC_NOT_BASE64)$/) }),
      );
    },
  );
});

describe('a signed note', () => {
  const lineOf = (bytes: number) => `\u2014 a ${Buffer.alloc(bytes, 1).toString('base64')}\n`;

  it('has at most 8192 characters, and lines of five bytes at least', async () => {
    const note = await signCheckpoint(body, log.signer);
    const filled = (length: number) => {
      const short = `\u2014 ${'a'.repeat(length - note.length - 12)} ${Buffer.alloc(5).toString('base64')}\n`;
      return note + short;
    };
    expect(filled(8192)).toHaveLength(8192);
    expect(parseCheckpoint(filled(8192)).size).toBe(3);
    expect(() => parseCheckpoint(filled(8193))).toThrow(/8193 characters; at most 8192/);
    expect(parseCheckpoint(note + lineOf(5)).size).toBe(3);
    expect(() => parseCheckpoint(note + lineOf(4))).toThrow(/too short/);
    expect(() => parseCheckpoint(note.slice(0, -1))).toThrow(/not a signed note/);
    expect(() => parseCheckpoint(body)).toThrow(/not a signed note/);
    expect(() => parseCheckpoint(`${note}x\n`)).toThrow(/a line that is no signature/);
    for (const more of ['more\n', '\nmore\n'])
      expect(() => parseCheckpoint(note.replace('\n\n', `\n${more}\n`))).toThrow(/three lines/);
  });

  it('has lines of some keys, of which those that do not hold are skipped', async () => {
    const note = await signCheckpoint(body, log.signer);
    const good = await witnessCheckpoint(note, witness.signer, 1_700_000_000);
    const bad = await witnessCheckpoint(note.replace('\n3\n', '\n4\n'), witness.signer, 1_700_000_001);
    const lines = (text: string, verifier = joseVerifier) =>
      openLinesOf(text, [witness.id, other.id, 'nobody'], verifier);
    expect(await lines(note + bad + good + good)).toEqual([
      { witness: witness.id, time: 1_700_000_000, line: good },
    ]);
    expect(await lines(note + bad)).toEqual([]);
    expect(await openWitnessLine(note, good, joseVerifier)).toEqual({
      witness: witness.id,
      time: 1_700_000_000,
    });
    // A verifier that does not work says nothing of them.
    const broken = { ...joseVerifier, raw: () => Promise.reject(new Error('no verifier')) };
    await expect(lines(note + good, broken)).rejects.toThrow('no verifier');
    expect(signatureLines(note + good).map(({ name, line }) => [name, line])).toEqual([
      [`quorate/${project}`, note.split('\n\n')[1]],
      [witness.id, good],
    ]);
    expect(withoutWitnesses(note + good)).toBe(note);
    // A time that no number holds.
    const time = 2n ** 60n;
    const signature = await witness.signer.raw(Buffer.from(`cosignature/v1\ntime ${Number(time)}\n${body}`));
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(time);
    const { keyId } = parseNoteKey(formatNoteKey(witness.id, noteKinds.cosignature, witness.id));
    const line = `\u2014 ${witness.id} ${Buffer.concat([keyId, stamp, signature]).toString('base64')}\n`;
    await expect(openWitnessLine(note, line, joseVerifier)).rejects.toEqual(code('CHECKPOINT_BAD_SIGNATURE'));
  });
});

describe('witnesses of others', () => {
  const name = 'witness.example/w1';
  const vkey = formatNoteKey(name, noteKinds.cosignature, witness.id);
  const named = (note: string, keys = [vkey]) => openNamedWitnesses(note, keys, joseVerifier);

  /** The line of a witness of that name, made here from the specification's text. */
  async function lineOf(text: string, time: number, signer = witness, as = name): Promise<string> {
    const signature = await signer.signer.raw(Buffer.from(`cosignature/v1\ntime ${time}\n${text}`));
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(time));
    const { keyId } = parseNoteKey(formatNoteKey(as, noteKinds.cosignature, signer.id));
    return `— ${as} ${Buffer.concat([keyId, stamp, signature]).toString('base64')}\n`;
  }

  it('are found by their keys, each once, and those of others are skipped', async () => {
    const note = await signCheckpoint(body, log.signer);
    const own = await lineOf(body, 1_700_000_000);
    const foreign = await lineOf(body, 1_700_000_002, other, 'other.example');
    const signed = note + foreign + own + (await lineOf(body, 1_700_000_003));
    expect(await named(signed)).toEqual([{ name, time: 1_700_000_000 }]);
    expect(await named(note + foreign)).toEqual([]);
    expect((await open(signed)).witnesses).toEqual([]);
  });

  it.each([
    [vkey.replace('+', ' '), 'it is name+keyid+base64'],
    [`${name}+${'0'.repeat(8)}+${'='.repeat(44)}`, 'its last part is not base64'],
    [vkey.replace(/\+[^+]*$/, `+${Buffer.alloc(33, 2).toString('base64')}`), 'another kind of key'],
    [vkey.replace(/\+[^+]*$/, `+${Buffer.alloc(32, 4).toString('base64')}`), 'another kind of key'],
    [vkey.replace(/\+[0-9a-f]{8}\+/, `+${'0'.repeat(8)}+`), 'its key id is not'],
    [`${'a'.repeat(129)}${vkey.slice(name.length)}`, 'it is name+keyid+base64'],
  ])('have keys of one form: %s', (key, says) => {
    expect(() => parseNoteKey(key)).toThrow(
      expect.objectContaining({ code: 'NOTE_KEY_INVALID', message: expect.stringContaining(says) }),
    );
  });

  it('are another where the name or the key is another', async () => {
    const note = await signCheckpoint(body, log.signer);
    const elsewhere = await lineOf(body, 1_700_000_000, witness, 'other.example');
    expect(await named(note + elsewhere)).toEqual([]);
    expect(await named(note + (await lineOf(body, 1_700_000_000, other)))).toEqual([]);
  });

  it('are refused with a signature of another text', async () => {
    const note = await signCheckpoint(body, log.signer);
    const forked = body.replace('\n3\n', '\n4\n');
    await expect(named(note + (await lineOf(forked, 1_700_000_000)))).rejects.toEqual(
      code('CHECKPOINT_BAD_SIGNATURE'),
    );
  });

  it('are those that witnesses of others signed: a checkpoint of a public log, with their published keys', async () => {
    const published = [
      'arche2025h1.staging.ct.transparency.dev',
      '1432088532',
      'U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=',
      '',
      '— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=',
      '— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=',
      '— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==',
      '— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==',
      '— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==',
      '— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==',
      '',
    ].join('\n');
    const keys = [
      'witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv',
      'transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM',
      'witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO',
      'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
      'rgdd.se/poc-witness+db03732e+BCjJKlo6BU0xfIb8LutqerIFTWIXEA0L5n3tW3QyPFgG',
    ];
    const names = keys.slice(0, 4).map((text) => text.slice(0, text.indexOf('+')));
    const found = await named(published, keys);
    expect(found).toEqual(names.map((one) => ({ name: one, time: 0x6a122120 })));
    await expect(named(published.replace('\n1432088532\n', '\n1432088533\n'), keys)).rejects.toEqual(
      code('CHECKPOINT_BAD_SIGNATURE'),
    );
  });

  it.each([
    ['no key id', `${name}+${vkey.slice(-44)}`],
    ['another key id', vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+')],
    ['another name', vkey.replace('w1', 'w2')],
    ['another kind', vkey.replace(/\+B/, '+C')],
    ['a space in its name', vkey.replace('witness', 'wit ness')],
    ['a name that is too long', formatNoteKey('w'.repeat(129), noteKinds.cosignature, witness.id)],
  ])('have one spelling of their keys: refused with %s', (_what, text) => {
    expect(() => parseNoteKey(text)).toThrow(code('NOTE_KEY_INVALID'));
  });
});
