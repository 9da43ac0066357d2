import { joseVerifier } from '../../src/identity/verifier.ts';
import { signingOf } from '../../src/node/ports.ts';
import { codeOf } from '../../src/protocol/base/errors.ts';
import { decodeBundle, encodeBundle, signMessage } from '../../src/protocol/documents/index.ts';
import { Credentials } from '../../src/protocol/sessions/credentials.ts';
import { RevocationBook } from '../../src/protocol/sessions/revocation-book.ts';
import { encodeMessage } from '../../src/protocol/wire/messages.ts';
import { topics } from '../../src/protocol/wire/protocols.ts';
import { LogWitness } from '../../src/worker/sessions/log-witness.ts';
import { OfferFeed } from '../../src/worker/sessions/offer-feed.ts';
import type { WorkerPorts } from '../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../src/worker/sessions/revocation-feed.ts';
import { at, controller, idp, makeGrant, project, workerKey } from '../support/project.ts';
import { type Case, charterOf } from './bundles.ts';
import { listOf } from './consumers.ts';
import { type Answer, type Row, rowOf } from './table.ts';

/** A worker's sessions, with what it would do and what it would tell. */
async function openWorker(given: Case) {
  const key = workerKey('ada');
  const charter = given.inForce ?? given.real.charter.raw;
  const now = (at + 120) * 1000;
  const clock = { now: () => now, monotonic: () => now, closing: true, after: () => () => {} };
  const signing = signingOf(key.signer);
  const grant = await signMessage('grant', makeGrant(key, 'ada', 'worker'), idp.signer);
  const credentials = await Credentials.open(
    signing,
    clock,
    {
      project,
      name: 'example',
      operator: 'ada',
      role: 'worker',
      charter,
      grant: grant.raw,
      controllers: [{ id: controller.id, addrs: [] }],
      bootstrap: [],
    },
    async () => {},
  );
  const told: unknown[] = [];
  const done: string[] = [];
  const heard = new Map<string, (data: Uint8Array) => void>();
  const revocations = await RevocationBook.open(project, joseVerifier);
  const ports = {
    signing,
    clock,
    credentials,
    revocations,
    machine: { wants: () => true, refused: () => [] },
    dispatch: async ({ kind }: { kind: string }) => void done.push(kind),
    dial: () => Promise.reject(new Error('nobody is there')),
    witnessFile: { load: async () => undefined, save: async () => {} },
    subscribe: (topic: string, _accepts: unknown, hear: (data: Uint8Array) => void) =>
      void heard.set(topic, hear),
    publish: async () => {},
    tell: (_level: string, _kind: string, _says: string, data?: { code?: unknown }) =>
      void told.push(data?.code),
  } as unknown as WorkerPorts;
  const feed = new RevocationFeed(ports);
  const witness = new LogWitness(ports, feed);
  const offers = new OfferFeed(
    ports,
    {} as never,
    {} as never,
    { revocations: feed, witness },
    { onVerdict: () => {}, pass: () => {} },
  );
  return { credentials, revocations, feed, witness, offers, heard, told, done };
}

/** A worker's answer to the document: from gossip, or from its controller. */
export async function askWorker(row: Row, given: Case): Promise<Answer> {
  const worker = await openWorker(given);
  const { real } = given;
  try {
    switch (row.document) {
      case 'charter': {
        await worker.feed.learn(listOf(given));
        await worker.credentials.learnCharter(await charterOf({ epoch: 2 }));
        return worker.credentials.charter.epoch === 2 ? 'accepted' : 'not taken';
      }
      case 'revocation': {
        const { refused } = await worker.revocations.learn(listOf(given));
        const counts = worker.revocations.revoked.some(({ what }) => what.kind === 'artifact');
        return counts ? 'accepted' : (refused[0]?.code ?? 'does not count');
      }
      case 'checkpoint':
        await worker.feed.learn(listOf(given));
        await worker.witness.see(real.bundle.checkpoint);
        return 'accepted';
      default: {
        await worker.feed.learn(listOf(given));
        worker.offers.start();
        const { offers, request, publisher, job } = decodeBundle(encodeBundle(real.bundle));
        const notice = { offer: offers[0] ?? '', request, publisher, job };
        worker.told.length = 0;
        worker.heard.get(topics.offers(project))?.(encodeMessage(notice));
        for (let turns = 0; turns < 1000 && worker.done.length + worker.told.length === 0; turns++)
          await new Promise((resolve) => setImmediate(resolve));
        if (worker.done.includes('offer')) return 'accepted';
        return String(worker.told[0] ?? `nothing came of ${rowOf(row)}`);
      }
    }
  } catch (error) {
    return codeOf(error);
  }
}
