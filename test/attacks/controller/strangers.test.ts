import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { keyFromSeed } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { type Mesh, openMesh } from '../../../src/mesh/index.ts';
import { initProject, type ProjectFolder } from '../../../src/owner/project-folder.ts';
import { sandboxProfile } from '../../../src/protocol/base/sandbox-profile.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import {
  encodeJob,
  makeReceipt,
  openStatement,
  signMessage,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { loopbackController } from '../../support/controller.ts';
import { cidOf, makeGrant, makeJob, makeRequest, nonceOf } from '../../support/documents.ts';

let dir: string;
let folder: ProjectFolder;
let controller: ControllerNode;
/** Somebody without a ticket, who gives herself all papers she can sign. */
const seed = randomBytes(32);
const eve = keyFromSeed(seed);
let mesh: Mesh;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'quorate-strangers-'));
  folder = await initProject(dir, { name: 'project', vcs: [], bootstrap: [] });
  controller = await loopbackController(folder);
  mesh = await openMesh({ key: seed, listen: [], bootstrap: [], topics: [], role: 'node' });
  await mesh.connect(controller.addresses());
});
afterAll(async () => {
  await mesh.close();
  await controller.close();
  await rm(dir, { recursive: true, force: true });
});

/** Says these things on one stream and gives the code of each answer. */
async function say(protocol: string, ...messages: unknown[]): Promise<unknown[]> {
  const signal = AbortSignal.timeout(120_000);
  const channel = await mesh.open(controller.id, protocol, { signal, maxMessageBytes: 16 * 1024 * 1024 });
  const answers: unknown[] = [];
  for (const message of messages) {
    // One that is refused unread is never sent whole.
    channel.send(encodeMessage(message)).catch(() => {});
    const answer = await channel.receive({ timeoutMs: 120_000 });
    answers.push(answer === undefined ? 'closed' : JSON.parse(fromUtf8(answer)).code);
  }
  await channel.close();
  return answers;
}

/** A receipt of some megabytes for a lease that never was. */
async function receipt(n: number, count: number): Promise<{ kind: 'receipt'; envelope: string }> {
  const files = Array.from({ length: count }, (_, at) => ({ path: `${n}/${at}`, sha256: 'a'.repeat(64) }));
  const built = makeJob();
  const { id: job } = encodeJob(built);
  const payload = makeReceipt({
    worker: eve.id,
    job: built,
    files,
    startedOn: '2026-01-01T00:00:00.000Z',
    finishedOn: '2026-01-01T00:00:01.000Z',
    facts: {
      project: folder.project,
      job,
      offer: 'b'.repeat(64),
      lease: 'd'.repeat(64),
      round: 1,
      slot: 0,
      fence: { epoch: 1, n },
      operator: 'eve',
      outcome: { kind: 'exit', code: 0, artifact: cidOf('anything') },
      log: null,
      sandbox: { tier: 'namespace', profile: sandboxProfile, portable: false },
      nonce: nonceOf(`receipt ${n}`),
    },
  });
  return { kind: 'receipt', envelope: (await signStatement('receipt', payload, eve.signer)).raw };
}

/** Milliseconds of processor time of this process. */
async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a stranger who sends receipts of megabytes on many streams', () => {
  it('has none of them read: together they take less than it takes to open them', async () => {
    // About 1 MB, which is sooner sent than the largest. What is read without the table of messages: test/protocol/sessions/bounds.test.ts.
    const { envelope } = await receipt(1, 9_000);
    const frame = encodeMessage({ kind: 'receipt', envelope: 'x'.repeat(envelope.length) });
    const streams = 12;
    const flood = async (count: number) => {
      const codes = await Promise.all(
        Array.from({ length: count }, async () => {
          const signal = AbortSignal.timeout(120_000);
          const channel = await mesh.open(controller.id, protocols.lease, {
            signal,
            maxMessageBytes: frame.length,
          });
          // Refused unread, it is never sent whole; the controller resets the stream.
          const sent = channel.send(frame).catch(() => {});
          const answer = await channel.receive({ timeoutMs: 120_000 });
          await sent;
          return JSON.parse(fromUtf8(answer ?? new Uint8Array())).code;
        }),
      );
      expect(new Set(codes)).toEqual(new Set(['KEY_NOT_ENROLLED']));
    };
    const open = () => openStatement('receipt', envelope, joseVerifier);
    // Code that runs for the first time takes longer, and other tests of the process may have run one of both.
    await flood(2);
    await open();
    const flooded = await processorMs(() => flood(streams));
    const opened = await processorMs(open);
    expect(flooded).toBeLessThan(streams * opened);
  });
});

/** Every kind of message that would be journaled, each refused for one reason. */
async function refusedMessages(): Promise<void> {
  const iat = Math.floor(Date.now() / 1000);
  const times = { iat, exp: iat + 300 };
  const grant = (
    await signMessage(
      'grant',
      makeGrant(eve, 'eve', 'publisher', {
        iss: eve.id,

        project: folder.project,
        ...times,
      }),
      eve.signer,
    )
  ).raw;
  const capabilities = {
    arch: 'x86_64',
    cpus: 1,
    memoryBytes: 1,
    diskBytes: 1,
    tiers: ['namespace'],
  } as const;
  const claim = await signMessage(
    'claim',
    {
      iss: eve.id,
      aud: controller.id,
      offer: 'b'.repeat(64),
      capabilities: { ...capabilities, tiers: ['namespace'] },
      jti: nonceOf('claim'),
      ...times,
    },
    eve.signer,
  );
  const invite = await signMessage(
    'invite',
    {
      iss: eve.id,
      project: folder.project,
      operator: 'eve',
      role: 'worker',
      hosts: 1000,
      addrs: [],
      jti: nonceOf('invite'),
      ...times,
    },
    eve.signer,
  );
  const enrol = await signMessage(
    'enrol',
    {
      iss: eve.id,
      aud: folder.idp.id,
      project: folder.project,
      invite: nonceOf('invite'),
      jti: nonceOf('enrol'),
      ...times,
    },
    eve.signer,
  );
  const { bytes, id: job } = encodeJob(makeJob());
  const request = await signMessage(
    'request',
    makeRequest(job, { iss: eve.id, aud: folder.controller.id, project: folder.project, ...times }),
    eve.signer,
  );

  expect(await say(protocols.lease, await receipt(1, 5_000))).toEqual(['KEY_NOT_ENROLLED']);
  const aClaim = { kind: 'claim', claim: claim.raw, grant, version: ownVersion('1') };
  expect(await say(protocols.lease, aClaim)).toEqual(['KEY_NOT_ENROLLED']);
  expect(await say(protocols.feed, { kind: 'hello', grant, capabilities })).toEqual(['KEY_NOT_ENROLLED']);
  expect(await say(protocols.api, { kind: 'enrol', enrol: enrol.raw, invite: invite.raw })).toEqual([
    'TICKET_ISSUER_MISMATCH',
  ]);
  expect(await say(protocols.api, { kind: 'renew', enrol: enrol.raw })).toEqual(['KEY_NOT_ENROLLED']);
  const submit = { kind: 'submit', request: request.raw, publisher: grant, job: fromUtf8(bytes) };
  expect(await say(protocols.api, submit)).toEqual(['KEY_NOT_ENROLLED']);
  const cancel = { kind: 'cancel', which: 'aaaaaaaa', reason: 'x' };
  expect(await say(protocols.api, cancel)).toEqual(['KEY_NOT_ENROLLED']);
}

/** Ends the controller. */
async function journaled(): Promise<string[]> {
  await controller.close();
  const journal = openJournal<ControllerEvent>(join(folder.dir, 'controller.db'), {
    name: `controller ${controller.id}`,
    rules: Controller.rules,
  });
  const kept = [...journal.replay()].map(({ event }) => event.kind);
  journal.close();
  return kept;
}

describe('a stranger who says to a controller what it refuses', () => {
  it('leaves nothing in its journal', async () => {
    await refusedMessages();
    expect(await journaled()).toEqual(['started']);
  });

  it('control: leaves what its machine refused where that is not taken out again', async () => {
    const { handle } = Controller.prototype;
    vi.spyOn(Controller.prototype, 'handle').mockImplementation(function (this: Controller, event, now) {
      const handled = handle.call(this, event, now);
      return event.kind === 'enrol' ? { ...handled, durability: 'lazy' } : handled;
    });
    onTestFinished(() => void vi.restoreAllMocks());
    controller = await loopbackController(folder);
    await mesh.connect(controller.addresses());
    await refusedMessages();
    expect(await journaled()).toContain('enrol');
  });
});
