import { hash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { ControllerNode } from '../../src/controller/node/node.ts';
import { openRevocationBook } from '../../src/node/membership/revocation-file.ts';
import {
  initProject,
  openProjectFolder,
  type ProjectFolder,
  writeAddress,
} from '../../src/owner/project-folder.ts';
import { type Revoking, revoke } from '../../src/owner/revoke.ts';
import { rotateController, rotateIdp, rotateTrusted } from '../../src/owner/rotate.ts';
import { codeOf, type QuorateError } from '../../src/protocol/base/errors.ts';
import type { RevocationTarget } from '../../src/protocol/documents/index.ts';
import { claimedIdOf } from '../../src/protocol/documents/jws.ts';
import type { RevocationList } from '../../src/protocol/judge/index.ts';
import { revocationServer } from '../../src/protocol/sessions/revocation-exchange.ts';
import { protocols } from '../../src/protocol/wire/protocols.ts';
import { folder } from '../support/code-and-folder.ts';
import { loopbackController } from '../support/controller.ts';
import { cidOf, testKey } from '../support/documents.ts';
import { loopbackMesh } from '../support/mesh.ts';

const project = async (): Promise<ProjectFolder> =>
  initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [] });

async function start({ dir }: ProjectFolder): Promise<ControllerNode> {
  const controller = await loopbackController(await openProjectFolder(dir));
  onTestFinished(() => controller.close());
  return controller;
}

const artifact = (name: string): RevocationTarget => ({ kind: 'artifact', id: cidOf(name) });
const idFor = (name: string): string => hash('sha256', name);
const key = (id: string): RevocationTarget => ({ kind: 'key', id });

const nothing = {
  index: Number.NaN,
  since: undefined,
  byRoot: undefined,
  keeps: [],
  voids: [],
  voidLeaves: [],
};

/** Revokes in a folder opened anew, and returns what was signed too. */
async function act({ dir }: ProjectFolder, what: RevocationTarget, more: Partial<Revoking> = {}) {
  const lists: RevocationList[] = [];
  const signed = (list: RevocationList) => void lists.push({ ...list, revocations: [...list.revocations] });
  const signal = AbortSignal.timeout(60_000);
  const opened = await openProjectFolder(dir);
  const done = await revoke(opened, { what, reason: 'broken', signal, waitMs: 0, signed, ...more }).then(
    (now) => ({ ...now, error: undefined }),
    (error: QuorateError) => ({ ...nothing, error }),
  );
  return { ...done, code: done.error && codeOf(done.error), lists };
}

function sinceOf([list]: RevocationList[]): number {
  const [, payload = ''] = list?.revocations[0]?.split('.') ?? [];
  return JSON.parse(Buffer.from(payload, 'base64url').toString()).since;
}

const withoutRoot = ({ dir }: ProjectFolder) => rm(join(dir, 'root.key'));

describe('a revocation', () => {
  it('of an artifact counts from the first leaf, that of an operator from the size of the log, by the key of the identity provider', async () => {
    const made = await project();
    await start(made);
    const first = await act(made, artifact('one'));
    expect(first).toMatchObject({ since: 0, byRoot: false, keeps: [], voids: [], voidLeaves: [] });
    expect(first.lists).toMatchObject([{ charters: [made.charterJws], revocations: [expect.any(String)] }]);
    const next = first.index + 1;
    // Unknown to the project, so that the size stays.
    const unknown: RevocationTarget[] = [{ kind: 'operator', id: 'ada' }, key(testKey('a worker').id)];
    for (const what of unknown) {
      const { code, lists } = await act(made, what);
      expect([code, sinceOf(lists)]).toEqual(['REVOCATION_TARGET_UNKNOWN', next]);
      expect(sinceOf((await act(made, what, { since: 1 })).lists)).toBe(1);
    }
  });

  it('of a key that a charter names, or one of before named, is by the root alone', async () => {
    const made = await project();
    const [now, before] = [testKey('now').id, testKey('before').id];
    await rotateTrusted(made, { add: [now, before], remove: [] });
    await (await start(made)).close();
    await rotateTrusted(made, { add: [], remove: [before] });
    await start(made);
    const own = { since: 0 };
    // The log has no signatures, so the answer tells the key's own revocations.
    expect(await act(made, key(now), own)).toMatchObject({ byRoot: true, lists: [{ charters: [] }] });
    const tried = await act(made, key(before), own);
    expect(tried).toMatchObject({
      byRoot: true,
      lists: [{ charters: [expect.any(String)] }, { charters: [] }],
    });
    await withoutRoot(made);
    for (const id of [now, testKey('another').id]) {
      const { code, lists } = await act(made, key(id), id === now ? own : { ...own, keeps: [] });
      expect([code, lists]).toEqual(['REVOCATION_NEEDS_ROOT', []]);
    }
    expect((await act(made, key(before), own)).code).toBe('REVOCATION_NEEDS_ROOT');
  });

  it('needs a controller that ran', async () => {
    const { code, error } = await act(await project(), artifact('one'));
    expect([code, error?.message]).toEqual([
      'CONTROLLER_UNREACHABLE',
      'the controller of this project has not run yet',
    ]);
  });

  it('waits for a controller that is away, at the address that it has then', async () => {
    const made = await project();
    await writeAddress(made.dir, [`/ip4/127.0.0.1/tcp/1/p2p/${made.controller.id}`]);
    expect((await act(made, artifact('one'))).code).toBe('CONTROLLER_UNREACHABLE');
    const signed = Promise.withResolvers<void>();
    const waiting = act(made, artifact('one'), { waitMs: 60_000, signed: () => signed.resolve() });
    await signed.promise;
    await start(made);
    expect(await waiting).toMatchObject({ since: 0, byRoot: false });
  });

  it('counts from the last checkpoint here where the controller is away', async () => {
    const made = await project();
    await writeAddress(made.dir, [`/ip4/127.0.0.1/tcp/1/p2p/${made.controller.id}`]);
    const ada: RevocationTarget = { kind: 'operator', id: 'ada' };
    expect(await act(made, ada)).toMatchObject({ code: 'MESH_UNREACHABLE', lists: [] });
    await writeFile(join(made.dir, 'checkpoint.txt'), 'damaged');
    expect(await act(made, ada)).toMatchObject({ code: 'CHECKPOINT_MALFORMED', lists: [] });
    await rm(join(made.dir, 'checkpoint.txt'));
    const controller = await start(made);
    await act(made, artifact('one'));
    await controller.close();
    const [, size] = (await readFile(join(made.dir, 'checkpoint.txt'), 'utf8')).split('\n');
    expect(Number(size)).toBeGreaterThan(0);
    const { code, lists } = await act(made, ada);
    expect(code).toBe('CONTROLLER_UNREACHABLE');
    expect(sinceOf(lists)).toBe(Number(size));
  });

  it.each([true, false])(
    'holds in the folder of an identity provider apart, whether or not the controller is there: %s',
    async (isThere) => {
      const made = await project();
      const known = async () => (await openRevocationBook(made.dir, made.project)).size;
      const controller = await start(made);
      await act(made, artifact('one'));
      expect(await known()).toBe(0);
      if (!isThere) await controller.close();
      await rm(join(made.dir, 'controller.key'));
      expect((await act(made, artifact('two'))).code).toBe(isThere ? undefined : 'CONTROLLER_UNREACHABLE');
      expect(await known()).toBe(1);
    },
  );

  it('from now on needs a line that somebody signed lately, or an index', async () => {
    const made = await project();
    await rotateTrusted(made, { add: [testKey('absent').id], remove: [] });
    await start(made);
    const now = await act(made, { kind: 'operator', id: 'ada' });
    expect([now.code, now.error?.hint]).toEqual([
      'CHECKPOINT_STALE',
      expect.stringMatching(/--since <index>/),
    ]);
    expect(now.lists).toEqual([]);
    const end = await act(made, key(made.idp.id), { since: 0 });
    expect([end.code, end.error?.hint]).toEqual(['CHECKPOINT_STALE', expect.stringMatching(/--keep none/)]);
    expect(await act(made, key(made.idp.id), { since: 0, keeps: [] })).toMatchObject({ byRoot: true });
  });
});

describe('the end of a key that revoked', () => {
  it.each([
    ['in the log before that', false],
    ['that are named', true],
  ])('keeps those %s', async (_which, named) => {
    const made = await project();
    await start(made);
    const before = await act(made, artifact('before'));
    const after = await act(made, artifact('after'));
    expect(after.index).toBe(before.index + 1);
    const keeps = [claimedIdOf(after.lists[0]?.revocations[0] ?? '') ?? ''];
    const ended = await act(made, key(made.idp.id), { since: after.index, ...(named && { keeps }) });
    expect(ended).toMatchObject({
      byRoot: true,
      since: after.index,
      keeps: [{ what: artifact(named ? 'after' : 'before'), leaf: named ? after.index : before.index }],
      voids: [{ what: artifact(named ? 'before' : 'after') }],
    });
  });

  it('is by the root, also where no charter names it', async () => {
    const made = await project();
    await start(made);
    await act(made, artifact('one'));
    const { old } = await rotateIdp(made, { atOnce: true });
    await withoutRoot(made);
    expect(await act(made, key(old), { since: 0, waitMs: 60_000 })).toMatchObject({
      code: 'REVOCATION_NEEDS_ROOT',
      lists: [],
    });
  });
});

describe('leaves that are void', () => {
  const ids = (count: number) => Array.from({ length: count }, (_, n) => idFor(`leaf ${n}`));

  it.each([
    [1_000, [1]],
    [1_001, [1, 2]],
    [2_000, [1, 2]],
  ])('are told in documents of a thousand: %i', async (count, documents) => {
    const made = await project();
    const { old } = await rotateController(made);
    await start(made);
    const { lists, voidLeaves, error } = await act(made, key(old), { since: 0, voidLeaves: ids(count) });
    expect(error).toBeUndefined();
    expect(voidLeaves).toHaveLength(count);
    expect(lists.map(({ revocations }) => revocations.length)).toEqual(documents);
  });

  it('are none that the controller shows', async () => {
    const made = await project();
    const { old } = await rotateController(made);
    await start(made);
    const [shown = ''] = (await act(made, artifact('one'))).lists[0]?.revocations ?? [];
    const id = claimedIdOf(shown) ?? '';
    const some = await act(made, key(old), { since: 0, voidLeaves: [idFor('x'), id] });
    expect([some.code, some.lists]).toEqual(['REVOCATION_LEAF_SHOWN', []]);
    expect(some.error?.message).toContain(id);
    expect(await act(made, key(old), { since: 0, voidLeaves: 'all' })).toMatchObject({
      byRoot: true,
      voidLeaves: [],
      error: undefined,
    });
  });

  it('are not taken as they are said where the answer of the controller is none', async () => {
    const made = await project();
    const { old } = await rotateController(made);
    const { controller } = await openProjectFolder(made.dir);
    const mesh = await loopbackMesh(controller.seed);
    onTestFinished(() => mesh.close());
    await writeAddress(made.dir, mesh.addresses());
    let asked = 0;
    const nothing = {
      page: () => ({ charters: [], revocations: [] }),
      evidence: () => [],
      checkpoint: () => undefined,
    };
    const { protocol, session, options } = revocationServer(nothing);
    mesh.handle(
      protocol,
      async (channel) => {
        if (++asked === 1) return session(channel);
        await channel.receive();
        await channel.send(Buffer.from('no answer'));
        await channel.close();
      },
      options,
    );
    const said = await act(made, key(old), { since: 0, voidLeaves: [idFor('x')], keeps: [] });
    expect([asked, said.code, said.lists]).toEqual([2, 'WIRE_INVALID', []]);
  });

  it('are taken as they are said where the controller is away, and all are asked for', async () => {
    const made = await project();
    const { old } = await rotateController(made);
    await (await start(made)).close();
    const said = await act(made, key(old), { since: 0, voidLeaves: [idFor('x')], keeps: [] });
    expect([said.code, said.lists.length]).toEqual(['CONTROLLER_UNREACHABLE', 1]);
    const all = await act(made, key(old), { since: 0, voidLeaves: 'all', keeps: [] });
    expect([all.code, all.lists.length]).toEqual(['MESH_UNREACHABLE', 0]);
  });
});

describe('a controller whose answers are none', () => {
  /** In the place of the controller: answers each question of the protocol with this text. */
  async function instead(made: ProjectFolder, protocol: string, answer: string) {
    const { controller } = await openProjectFolder(made.dir);
    const mesh = await loopbackMesh(controller.seed);
    onTestFinished(() => mesh.close());
    await writeAddress(made.dir, mesh.addresses());
    mesh.handle(
      protocol,
      async (channel) => {
        await channel.receive();
        await channel.send(Buffer.from(answer));
        await channel.close();
      },
      revocationServer({} as never).options,
    );
  }

  it('is not taken for one that knows no revocations of the key', async () => {
    const made = await project();
    await instead(made, protocols.revocations, 'no answer');
    for (const keeps of [[], undefined]) {
      const more = { since: 0, ...(keeps !== undefined && { keeps }) };
      const { code, lists } = await act(made, key(made.idp.id), more);
      expect([code, lists]).toEqual(['WIRE_INVALID', []]);
    }
  });

  it('has not taken a revocation that it answers otherwise', async () => {
    const made = await project();
    await instead(made, protocols.api, JSON.stringify({ kind: 'acknowledged', run: 'f'.repeat(64) }));
    const { code, error } = await act(made, artifact('one'));
    expect([code, error?.message]).toEqual([
      ...['CONTROLLER_UNEXPECTED_ANSWER', 'the controller answered with acknowledged'],
    ]);
  });
});
