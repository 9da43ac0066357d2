import { joseVerifier } from '../../../src/identity/verifier.ts';
import { joseDocuments } from '../../../src/node/ports.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Cosigner } from '../../../src/worker/sessions/cosigner.ts';
import { DraftChecks } from '../../../src/worker/sessions/draft-checks.ts';
import { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { at, controller, type Project, project, trusted } from '../../support/project.ts';

/**
 * The trusted worker's answer to a draft, where the controller tells `all` to a question for everything, and `byId` to one for these; the
 * log is that of the project.
 */
export async function answerOf(
  made: Project,
  draft: string,
  told: { all: string[]; byId?: string[] },
): Promise<string> {
  const events: WorkerEvent[] = [];
  const book = await RevocationBook.open(project, joseVerifier);
  const answers: Record<string, (asked: string) => Promise<unknown>> = {
    [protocols.api]: async () => ({
      kind: 'leaves',
      from: 0,
      size: made.leaves.length,
      leaves: made.leaves,
    }),
    [protocols.revocations]: async (asked) => ({
      kind: 'revocations',
      charters: [made.charter.raw],
      revocations: asked.includes('"ids"') ? (told.byId ?? []) : told.all,
    }),
  };
  const ports = {
    dispatch: async (event: WorkerEvent) => void events.push(event),
    credentials: {
      membership: { project, controllers: [{ id: controller.id, addrs: [] }] },
      controller: { id: controller.id, addrs: [] },
      charter: made.charter.payload,
      learnCharter: async () => {},
    },
    signing: { documents: joseDocuments, signer: trusted.signer },
    clock: { now: () => (at + 1000) * 1000, monotonic: () => 0, closing: false },
    machine: { leaseOf: () => ({}) },
    witnessFile: { load: async () => undefined, save: async () => {} },
    leafFile: { load: async () => [], append: async () => {} },
    revocations: book,
    tell: () => {},
    dial: async (_peer: unknown, protocol: string) => {
      let asked = '';
      return {
        peer: controller.id,
        closed: false,
        send: async (message: Uint8Array) => {
          asked = fromUtf8(message);
        },
        receive: async () => (asked === '' ? undefined : encodeMessage(await answers[protocol]?.(asked))),
        close: async () => {},
        abort: () => {},
      };
    },
  } as unknown as WorkerPorts;
  const feed = new RevocationFeed(ports);
  const witness = new LogWitness(ports, feed);
  const checks = new DraftChecks(ports, feed, witness);
  await new Cosigner(ports, checks, witness, { cosigned: () => {} }).check('lease', draft);
  const [event] = events;
  return event?.kind === 'cosign-checked' ? event.code : 'nothing';
}
