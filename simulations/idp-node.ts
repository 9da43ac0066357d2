import type { ControllerEffect, ControllerEvent } from '../src/controller/machine/events.ts';
import type { Controller } from '../src/controller/machine/machine.ts';
import { signedCharter } from '../src/controller/machine/members/charter.ts';
import { IdpClient } from '../src/controller/sessions/grants.ts';
import type { IdpEffect, IdpEvent } from '../src/idp/machine/events.ts';
import type { IdentityProvider } from '../src/idp/machine/machine.ts';
import { IdpSessions } from '../src/idp/sessions/idp-sessions.ts';
import { reportedError } from '../src/protocol/base/errors.ts';
import type { Charter, Revocation, Verified } from '../src/protocol/documents/index.ts';
import type { Channel, ServedProtocol, Signing } from '../src/protocol/sessions/ports.ts';
import { type Node, serve } from './network.ts';
import type { KeyChange, Paperwork } from './paperwork.ts';
import { type Life, Process, type Surroundings } from './process.ts';
import { snapshot } from './snapshot.ts';

type IdpLife = Life<IdpEvent, IdpEffect, IdentityProvider>;

export interface IdpOptions {
  grantMs: number;
  fresh: () => IdentityProvider;
}

/** The identity provider's process, where it is apart from the controller's. */
export class IdpNode extends Process<IdpEvent, IdpEffect, IdentityProvider> {
  readonly name = 'idp';
  /** PeerId of the key that this life signs with. */
  id: string;
  protected readonly tick = undefined;
  readonly #paper: Paperwork;
  readonly #options: IdpOptions;
  /** On its disk: the charter, where it is not the first one, and what the owner revoked. */
  #folder: Verified<Charter> | undefined;
  readonly #revocations: Verified<Revocation>[] = [];
  #life: IdpLife | undefined;
  #sessions: IdpSessions | undefined;
  #served: ServedProtocol | undefined;

  constructor(around: Surroundings, paper: Paperwork, options: IdpOptions) {
    super(around, 'idp');
    this.id = paper.idp.id;
    this.#paper = paper;
    this.#options = options;
  }

  protected fresh(): IdentityProvider {
    return this.#options.fresh();
  }

  protected override signing(): Signing {
    const signer = this.#paper.idps.find(({ id }) => id === this.id) ?? this.#paper.idp;
    return { ...super.signing(), signer };
  }

  protected begin(life: IdpLife): void {
    this.id = this.#paper.idp.id;
    this.#life = life;
    const sessions = new IdpSessions({
      project: this.#paper.project,
      signing: this.signing(),
      clock: life.clock,
      machine: life.machine,
      dispatch: (event) => this.dispatch(life, event),
      charge: () => 0,
      takeCharter: async (charter) => this.#takeCharter(life, charter),
      keepAddress: async () => {},
    });
    this.#sessions = sessions;
    this.#served = undefined;
    void this.#start(life, sessions);
  }

  async #start(life: IdpLife, sessions: IdpSessions): Promise<void> {
    const charter = this.#folder ?? (await this.#paper.charter());
    await this.dispatch(life, { kind: 'started', charter, key: this.id, grantMs: this.#options.grantMs });
    for (const revocation of this.#revocations) await this.dispatch(life, { kind: 'revoked', revocation });
    if (life.alive()) this.#served = sessions.served;
  }

  async #takeCharter(life: IdpLife, charter: Verified<Charter>): Promise<void> {
    if (!life.alive()) return;
    this.#folder = charter;
    await this.dispatch(life, { kind: 'charter', charter });
  }

  /** The owner makes another key of the identity provider, on its host, and signs the charter that names it. */
  async nextCharter(replaces: KeyChange): Promise<void> {
    const charter = await this.#paper.next(replaces);
    this.#folder = charter;
    if (this.#life === undefined || !this.#life.alive()) return;
    await this.dispatch(this.#life, { kind: 'charter', charter });
    this.crash('to go on with another key');
  }

  /** The owner signs a revocation on its host. */
  learn(revocation: Verified<Revocation>): void {
    this.#revocations.push(revocation);
    if (this.#life !== undefined) void this.dispatch(this.#life, { kind: 'revoked', revocation });
  }

  protected perform(effect: IdpEffect): void {
    this.#sessions?.perform(effect);
  }

  accept(protocol: string, channel: Channel): void {
    if (protocol !== this.#served?.protocol) return channel.abort(new Error(`${protocol} is not served`));
    void serve(this.#served, channel);
  }

  protected crashRate(): number {
    return this.around.rates().controllerCrashPerEvent;
  }

  protected snapshot(machine: IdentityProvider): string {
    return snapshot(machine.state);
  }

  protected handled(event: IdpEvent, effects: readonly IdpEffect[]): void {
    this.around.observe({ kind: 'idp-handled', event, effects });
  }

  protected override restored(before: string, after: string): void {
    super.restored(before, after);
    this.around.observe({ kind: 'idp-restarted', members: [...this.machine.state.members.keys()] });
  }

  protected describe(event: IdpEvent, effects: readonly IdpEffect[]): string | undefined {
    if (event.kind !== 'grant') return `${event.kind}`;
    const [answer] = effects;
    const says = answer?.reply.kind === 'grant' ? `a grant as ${answer.reply.grant.operator}` : undefined;
    const refused = answer?.reply.kind === 'error' ? `refused: ${answer.reply.code}` : undefined;
    return `${this.around.trace.nameOf(event.enrol.signer)} asks: ${says ?? refused ?? 'nothing'}`;
  }
}

/** A controller's client of an identity provider of its own, for one life. */
export function idpClient(
  controller: Node,
  idp: Node,
  project: string,
  {
    around: { network, documents, trace, time },
    life,
    takeCharter,
  }: {
    around: Surroundings;
    life: Life<ControllerEvent, ControllerEffect, Controller>;
    takeCharter: (charter: Verified<Charter>) => Promise<void>;
  },
): IdpClient {
  return new IdpClient({
    project,
    idpAddrs: ['/dns4/idp.example/tcp/1'],
    dial: async ({ id }, protocol) => {
      if (id === null || id === idp.id) return network.dial(controller, idp, protocol);
      throw reportedError('MESH_UNREACHABLE', `${id} is not there`);
    },
    documents,
    clock: life.clock,
    charter: () => signedCharter(life.machine),
    takeCharter,
    addresses: () => ['/dns4/controller.example/tcp/1'],
    tell: (level, kind, says) => {
      if (life.alive()) trace.write(time.now, controller.name, `${level} ${kind}: ${says}`);
    },
  });
}
