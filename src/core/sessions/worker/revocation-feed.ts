import { messageOf } from '../../errors.ts';
import type { RevocationList } from '../../judge/index.ts';
import { revokedBy, sayRevoked } from '../../trust/index.ts';
import { decodeMessage, revocationListSchema } from '../../wire/messages.ts';
import { topics } from '../../wire/protocols.ts';
import { requestRevocations } from '../revocation-exchange.ts';
import type { WorkerPorts } from './ports.ts';

/** What a controller answers to a key that may not work any more. */
const expelledCodes: ReadonlySet<string> = new Set(['KEY_REVOKED', 'OPERATOR_REVOKED']);

/** Whether a refusal with this code stays, until the owner admits the operator under another name. */
export const isExpelled = (code: string): boolean => expelledCodes.has(code);

/** A worker whose key or operator was revoked asks this often whether that is still so. */
export const expelledRetryMs = 10 * 60_000;

/** A worker learns of revocations by gossip, from the controller when that has more than it told, and by HTTP. */
export class RevocationFeed {
  readonly #ports: WorkerPorts;
  /** How many the controller had when it was last asked, in this life. */
  #told = 0;

  constructor(ports: WorkerPorts) {
    this.#ports = ports;
  }

  start(accepts: (author: string) => boolean): void {
    const { credentials, subscribe } = this.#ports;
    subscribe(topics.revocations(credentials.membership.project), accepts, (data) => {
      void this.#orTell(async () =>
        this.learn(decodeMessage(data, revocationListSchema, 'a notice of a revocation')),
      );
    });
  }

  /** The controller says how many there are. */
  async heard(count: number): Promise<void> {
    if (count <= this.#told) return;
    await this.#orTell(async () => {
      await this.ask();
      this.#told = count;
    });
  }

  /** Asks the controller for all of them. Errors: `CONTROLLER_UNREACHABLE`, `MESH_…`, `WIRE_INVALID`. */
  async ask(): Promise<void> {
    const { credentials, dial, clock } = this.#ports;
    const [controller] = credentials.membership.controllers;
    if (controller === undefined) return;
    await this.learn(await requestRevocations(dial, controller), clock.now());
  }

  async learn(list: RevocationList, askedAt?: number): Promise<void> {
    const { revocations, tell } = this.#ports;
    const { fresh, refused } = await revocations.learn(list, askedAt);
    for (const { revocation } of fresh)
      tell('warn', 'revoked', sayRevoked(revokedBy(revocation)), { revocation: revocation.id });
    const [why] = refused;
    if (why !== undefined) tell('warn', 'revocation', `a revocation was ignored: ${why.message}`);
  }

  async #orTell(work: () => Promise<void>): Promise<void> {
    const { clock, tell } = this.#ports;
    await work().catch((error) => {
      if (!clock.closing) tell('warn', 'revocation', `revocations: ${messageOf(error)}`);
    });
  }
}
