import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keyFromSeed } from '../../src/identity/keys.ts';
import { decodeTicket } from '../../src/identity/ticket.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { openIdpFolder } from '../../src/owner/idp-folder.ts';
import {
  changeCharter,
  initProject,
  issueTicket,
  openProjectFolder,
  type ProjectFolder,
  readCharter,
  restoreCharter,
  signNext,
  writeAddress,
  writeCharter,
} from '../../src/owner/project-folder.ts';
import { formatNoteKey, noteKinds, openMessage, signMessage } from '../../src/protocol/documents/index.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';
import { testKey } from '../support/documents.ts';

const address = ['/ip4/127.0.0.1/tcp/4710/p2p/12D3KooWNWeAv9TF1xB8BMiuHrWwGFPvdgPZK6s3NUNRCowistg6'];
const ticketFor = { operator: 'ada', role: 'worker', hosts: 1, seconds: 3600 } as const;

async function project(): Promise<ProjectFolder> {
  return initProject(await folder(), { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });
}

describe("a project's folder", () => {
  it('is made once, with a charter signed by a root key of its own', async () => {
    const made = await project();
    expect(made.charter).toMatchObject({
      project: made.project,
      epoch: 1,
      trusted: [],
      vcs: ['git.example.org'],
      floor: { agree: 2, of: 3, cosign: 'required' },
      controllers: [made.controller.id],
      idps: [made.idp.id],
    });
    expect(made.root?.id).toBe(made.project);
    expect((await openProjectFolder(made.dir)).charterJws).toBe(made.charterJws);
    expect((await openProjectFolder(join(made.dir, '..'))).project).toBe(made.project);
    const again = () => initProject(join(made.dir, '..'), { name: 'x', vcs: [], bootstrap: [] });
    expect(await codeOf(again)).toBe('PROJECT_EXISTS');
  });

  it('is not there where nobody made one', async () => {
    const dir = await folder();
    expect(await codeOf(() => openProjectFolder(dir))).toBe('PROJECT_NOT_FOUND');
  });

  it('keeps the charter of the highest epoch; that in force stands over another one of its epoch', async () => {
    const made = await project();
    const root = made.root ?? testKey('none');
    const charter = (epoch: number, name: string) =>
      signMessage('charter', { ...made.charter, epoch, name }, root.signer);
    const [older, one, other, newer] = await Promise.all([
      ...[charter(1, 'a'), charter(2, 'a'), charter(2, 'b'), charter(3, 'a')],
    ]);
    if (!older || !one || !other || !newer) throw new Error('four charters');
    const file = join(made.dir, 'charter.jws');
    const left = async (act: () => Promise<unknown>) => {
      await writeFile(file, one.raw);
      return [await act(), (await readFile(file, 'utf8')).trim()];
    };
    for (const [charter, there] of [
      ...([
        [older, one],
        [one, one],
        [other, one],
        [newer, newer],
      ] as const),
    ])
      expect(await left(() => writeCharter(made.dir, charter))).toEqual([undefined, there.raw]);
    for (const [inForce, isBack] of [
      ...([
        [null, false],
        [older, false],
        [one, false],
        [other, true],
        [newer, true],
      ] as const),
    ])
      expect(await left(() => restoreCharter(made.dir, inForce))).toEqual([
        ...[isBack, isBack && inForce !== null ? inForce.raw : one.raw],
      ]);
    await rm(file);
    expect(await restoreCharter(made.dir, one)).toBe(false);
  });

  it('is refused with a charter that another key signed', async () => {
    const made = await project();
    const other = testKey('other');
    const forged = await signMessage('charter', { ...made.charter, iss: other.id }, other.signer);
    await writeFile(join(made.dir, 'charter.jws'), forged.raw);
    expect(await codeOf(() => openProjectFolder(made.dir))).toBe('CHARTER_ISSUER_MISMATCH');
  });

  it('works without its root key, which may be kept elsewhere', async () => {
    const made = await project();
    await rename(join(made.dir, 'root.key'), join(made.dir, '..', 'elsewhere.key'));
    const opened = await openProjectFolder(made.dir);
    expect(opened.root).toBeUndefined();
    await writeAddress(made.dir, address);
    expect((await issueTicket(opened, ticketFor)).charterChanged).toBe(false);
    const trusted = { ...ticketFor, role: 'trusted-worker', key: testKey('tower').id } as const;
    expect(await codeOf(() => issueTicket(opened, trusted))).toBe('CHARTER_NEEDS_ROOT');
  });

  it('names no trusted worker with a key of those that it checks', async () => {
    const made = await project();
    await writeAddress(made.dir, address);
    for (const key of [made.controller.id, made.idp.id]) {
      const trusted = { ...ticketFor, role: 'trusted-worker', key } as const;
      expect(await codeOf(() => issueTicket(made, trusted))).toBe('TRUSTED_KEY_NOT_APART');
    }
  });

  it('says which key is elsewhere, as what it is', async () => {
    const made = await project();
    await rm(join(made.dir, 'controller.key'));
    const opened = await openProjectFolder(made.dir);
    expect(opened.holds).toEqual({ controller: false, idp: true });
    expect(await codeOf(() => opened.controller)).toBe('CONTROLLER_KEY_MISSING');
    await rm(join(made.dir, 'idp.key'));
    expect(await codeOf(async () => (await openProjectFolder(made.dir)).idp)).toBe('IDP_KEY_APART');
    const none = join(made.dir, 'none');
    const another = join(await folder(), '.quorate');
    expect(await codeOf(() => openIdpFolder(made.dir, none))).toBe('IDP_CHARTER_NEEDED');
    expect(await codeOf(() => openIdpFolder(another, undefined))).toBe('IDP_CHARTER_NEEDED');
    await writeFile(none, 'damaged');
    expect(await codeOf(() => openIdpFolder(made.dir, none))).toBe('HOME_DAMAGED');
    await writeFile(none, made.charterJws);
    expect((await openIdpFolder(another, none)).charterJws).toBe(made.charterJws);
    // A folder of one project is not given another.
    await writeFile(none, (await project()).charterJws);
    expect(await codeOf(() => openIdpFolder(another, none))).toBe('CHARTER_PROJECT_MISMATCH');
  });

  it('says so when it cannot tell where its controller is', async () => {
    const made = await project();
    await writeFile(join(made.dir, 'controller.json'), '{"addrs": [');
    expect(await codeOf(() => made.address())).toBe('HOME_DAMAGED');
  });
});

describe('a ticket', () => {
  it('cannot be made before the controller ran: it says where that is', async () => {
    const made = await project();
    expect(await codeOf(() => issueTicket(made, ticketFor))).toBe('TICKET_NO_ADDRESS');
    await writeAddress(made.dir, address);
    const { ticket, expires } = await issueTicket(made, ticketFor);
    const { invite, seed } = decodeTicket(ticket);
    const { payload, signer } = await openMessage('invite', invite, joseVerifier);
    expect(payload.holder).toBe(keyFromSeed(seed ?? new Uint8Array()).id);
    expect(signer).toBe(made.idp.id);
    expect(payload).toMatchObject({ project: made.project, operator: 'ada', addrs: address, exp: expires });
  });

  it('for a trusted worker needs its key, and has the root name it in the next charter, once', async () => {
    const made = await project();
    await writeAddress(made.dir, address);
    const trusted = { ...ticketFor, role: 'trusted-worker' } as const;
    expect(await codeOf(() => issueTicket(made, trusted))).toBe('INVITE_NEEDS_KEY');
    const key = testKey('tower').id;
    expect((await issueTicket(made, { ...trusted, key })).charterChanged).toBe(true);
    const charter = await readCharter(made.dir);
    expect(charter?.signer).toBe(made.project);
    expect(charter?.payload).toMatchObject({ epoch: 2, trusted: [key] });
    const opened = await openProjectFolder(made.dir);
    expect((await issueTicket(opened, { ...trusted, key })).charterChanged).toBe(false);
    expect((await readFile(join(made.dir, 'charter.jws'), 'utf8')).trim()).toBe(charter?.raw);
  });

  it('for a second trusted worker keeps the first, also through a folder opened before', async () => {
    const made = await project();
    await writeAddress(made.dir, address);
    for (const name of ['tower', 'keep'])
      await issueTicket(made, { ...ticketFor, role: 'trusted-worker', key: testKey(name).id });
    const charter = await readCharter(made.dir);
    expect(charter?.payload.trusted).toEqual([testKey('tower').id, testKey('keep').id]);
    expect(charter?.payload.epoch).toBe(3);
  });
});

describe('the servers that source may come from', () => {
  it('are changed by the root key in the next charter, which keeps all else, also through a folder opened before', async () => {
    const made = await project();
    await writeAddress(made.dir, address);
    await issueTicket(made, { ...ticketFor, role: 'trusted-worker', key: testKey('tower').id });
    const { before, now } = await changeCharter(made, { vcs: ['git.example.org', '192.168.1.5:3000'] });
    expect(before.vcs).toEqual(['git.example.org']);
    const charter = await readCharter(made.dir);
    expect(charter?.signer).toBe(made.project);
    expect(charter?.payload).toEqual({
      ...before,
      vcs: ['git.example.org', '192.168.1.5:3000'],
      epoch: 3,
      iat: now.iat,
    });
    expect(charter?.payload.trusted).toEqual([testKey('tower').id]);
  });

  it('are not signed again where they are the same', async () => {
    const made = await project();
    expect((await changeCharter(made, { vcs: ['git.example.org'] })).changed).toBe(false);
    expect((await readCharter(made.dir))?.payload.epoch).toBe(1);
  });

  it('stay as they are without the root key', async () => {
    const made = await project();
    await rename(join(made.dir, 'root.key'), join(made.dir, '..', 'elsewhere.key'));
    const opened = await openProjectFolder(made.dir);
    expect(await codeOf(() => changeCharter(opened, { vcs: [] }))).toBe('CHARTER_NEEDS_ROOT');
    expect((await readCharter(made.dir))?.payload.vcs).toEqual(['git.example.org']);
  });
});

describe('the least version of workers', () => {
  it('is named in what may be ignored, beside what another version has there, and taken out again', async () => {
    const made = await project();
    const { now: named } = await changeCharter(made, { leastWorker: '0.2.0' });
    expect(named.more).toEqual({ leastWorker: '0.2.0' });
    expect((await changeCharter(made, { leastWorker: '0.2.0' })).changed).toBe(false);
    const { now: moved } = await changeCharter(made, { vcs: [] });
    expect(moved.more).toEqual({ leastWorker: '0.2.0' });
    const next = { ...moved, more: { ...moved.more, tomorrow: 1 } };
    await signNext(made, moved, next);
    expect((await changeCharter(made, { leastWorker: null })).now.more).toEqual({ tomorrow: 1 });
    expect((await changeCharter(made, { leastWorker: '1.0.0' })).now.more).toEqual({
      leastWorker: '1.0.0',
      tomorrow: 1,
    });
  });

  it('leaves no empty member where it goes', async () => {
    const made = await project();
    await changeCharter(made, { leastWorker: '0.2.0' });
    expect('more' in (await changeCharter(made, { leastWorker: null })).now).toBe(false);
  });
});

describe('the witnesses of others', () => {
  const key = (name: string, id = testKey(name).id) => formatNoteKey(name, noteKinds.cosignature, id);

  it('are named by the root key in the next charter, which keeps all else, and are taken out of it again', async () => {
    const made = await project();
    expect(made.charter.witnesses).toBeUndefined();
    const witnesses = { need: 1, keys: [key('w.example'), key('v.example')] };
    const { before, now } = await changeCharter(made, { witnesses });
    expect((await readCharter(made.dir))?.payload).toEqual({ ...before, witnesses, epoch: 2, iat: now.iat });
    expect((await changeCharter(made, { witnesses })).changed).toBe(false);
    const vcs = ['git.example.net'];
    expect((await changeCharter(made, { vcs })).now.witnesses).toEqual(witnesses);
    const after = (await changeCharter(made, { witnesses: null })).now;
    expect(after).toEqual({ ...before, vcs, epoch: 4, iat: after.iat });
    expect('witnesses' in after).toBe(false);
  });

  it.each([
    [
      'a key of the controller',
      'WITNESS_KEY_NOT_APART',
      (made: ProjectFolder) => key('w', made.controller.id),
    ],
    [
      'a key of the identity provider',
      'WITNESS_KEY_NOT_APART',
      (made: ProjectFolder) => key('w', made.idp.id),
    ],
    ['a key id of another name', 'NOTE_KEY_INVALID', () => key('w.example').replace('w.', 'v.')],
    ["a log's key", 'NOTE_KEY_INVALID', () => formatNoteKey('w', noteKinds.ed25519, testKey('w').id)],
  ])('are refused: %s', async (_what, code, of) => {
    const made = await project();
    expect(await codeOf(() => changeCharter(made, { witnesses: { need: 1, keys: [of(made)] } }))).toBe(code);
    expect((await readCharter(made.dir))?.payload.epoch).toBe(1);
  });
});
