import { assert, codeOf, QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Charter, Grant, Role, Verified } from '../documents/index.ts';
import { wireLimits } from '../wire/limits.ts';
import { ask, obtainGrant, openCharter } from './ask.ts';
import { addressesOf, searchCharters } from './charter-search.ts';
import type { Clock, Dial, PeerAddress, Signing } from './ports.ts';

/** A node's membership of a project. */
export interface Membership {
  /** PeerId of the root key. */
  project: string;
  name: string;
  operator: string;
  role: Role;
  /** Compact JWS. */
  charter: string;
  /** Compact JWS. */
  grant: string;
  controllers: PeerAddress[];
  bootstrap: string[];
  /** URLs of the controller's HTTP feed; absent where it has none. */
  feed?: string[] | undefined;
}

/** Of these, known for longest: what strangers say of a controller drives none of them out. */
const controllerAddrsKept = 8;

/** The charter in force and the node's own grant, both verified, both kept up to date. */
export class Credentials {
  readonly #signing: Signing;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #save: (membership: Membership) => Promise<void>;
  #membership: Membership;
  #charter: Charter;
  #grant: Verified<Grant>;
  /** The question for the charter that is under way. */
  #asking: Promise<void> | undefined;

  private constructor(
    signing: Signing,
    clock: Pick<Clock, 'now'>,
    save: (membership: Membership) => Promise<void>,
    start: { membership: Membership; charter: Charter; grant: Verified<Grant> },
  ) {
    this.#signing = signing;
    this.#clock = clock;
    this.#save = save;
    this.#membership = start.membership;
    this.#charter = start.charter;
    this.#grant = start.grant;
  }

  /** `save` keeps a changed membership for the next start. @throws `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
  static async open(
    signing: Signing,
    clock: Pick<Clock, 'now'>,
    membership: Membership,
    save: (membership: Membership) => Promise<void>,
  ): Promise<Credentials> {
    const { documents } = signing;
    const charter = (await openCharter(membership.charter, membership.project, documents)).payload;
    const grant = await documents.message('grant', membership.grant);
    // A ticket, or the owner, may have named an address with the key of before.
    const controllers = controllersUnder(charter, membership.controllers);
    return new Credentials(signing, clock, save, {
      membership: { ...membership, controllers },
      charter,
      grant,
    });
  }

  get membership(): Membership {
    return this.#membership;
  }

  get charter(): Charter {
    return this.#charter;
  }

  /** The first that the charter names. */
  get controller(): PeerAddress {
    const [controller] = this.#membership.controllers;
    assert(controller !== undefined, 'a charter names a controller');
    return controller;
  }

  get grant(): Verified<Grant> {
    return this.#grant;
  }

  /** Takes a charter of a higher epoch; an older one is ignored. @throws `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
  async learnCharter(raw: string): Promise<void> {
    if (raw === this.#membership.charter) return;
    const learned = await openCharter(raw, this.#membership.project, this.#signing.documents);
    if (learned.payload.epoch <= this.#charter.epoch) return;
    this.#charter = learned.payload;
    const controllers = controllersUnder(this.#charter, this.#membership.controllers);
    await this.#change({
      ...this.#membership,
      charter: raw,
      controllers,
      bootstrap: this.#charter.bootstrap,
    });
  }

  /**
   * Asks the controller, one question at a time, for a charter of `epoch`; it may be older still.
   * @throws {QuorateError} those of `ask`, `CHARTER_ISSUER_MISMATCH`, `DOC_…`
   */
  async catchUp(epoch: number, dial: Dial): Promise<void> {
    if (epoch <= this.#charter.epoch) return;
    this.#asking ??= this.#askForCharter(dial).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  async #askForCharter(dial: Dial): Promise<void> {
    const { answer } = await ask(dial, this.#membership.controllers, { kind: 'charter' });
    if (answer.kind === 'charter') await this.learnCharter(answer.charter);
  }

  /**
   * Asks at the addresses of controllers that do not answer, and `peers`, for a charter with other ones. Returns whether one came;
   * only the root key's signature brings that about.
   */
  async searchControllers(dial: Dial, peers: readonly PeerAddress[] = []): Promise<boolean> {
    const before = this.#membership.controllers;
    for (const raw of await searchCharters(dial, before, peers)) {
      try {
        await this.learnCharter(raw);
      } catch (error) {
        // A stranger may be at the address by now.
        if (!(error instanceof QuorateError)) throw error;
      }
    }
    const { controllers } = this.#membership;
    for (const { id, addrs } of peers) await this.learnAddress(id, addrs);
    return controllers.some(({ id }) => before.every((one) => one.id !== id));
  }

  /** Takes other addresses of a controller that the charter names. */
  async learnAddress(id: string, found: readonly string[]): Promise<void> {
    if (!this.#charter.controllers.includes(id)) return;
    // Those of a DHT end without the key, with which they are dialled.
    const addrs = addressesOf({ id, addrs: [...found] }, id);
    const { controllers } = this.#membership;
    const known = controllers.find((controller) => controller.id === id)?.addrs ?? [];
    if (addrs.every((addr) => known.includes(addr))) return;
    // Those known before may still be right: some lead there from some networks only, and others are made up. A dial has time for one
    // silent address: after the newest they go by age.
    const [newest = '', ...fresh] = [...new Set(addrs)].filter((addr) => !known.includes(addr));
    const aged = [...known.slice(1), ...known.slice(0, 1)];
    const kept = [newest, ...aged.slice(0, controllerAddrsKept)];
    const later = [...fresh, ...aged.slice(controllerAddrsKept)];
    const all = [...kept, ...later.slice(0, wireLimits.controllerAddrsMax - kept.length)];
    const others = controllers.filter((controller) => controller.id !== id);
    await this.#change({ ...this.#membership, controllers: [{ id, addrs: all }, ...others] });
  }

  /** Takes the URLs of the controller's HTTP feed; undefined where it has none. */
  async learnFeed(urls: string[] | undefined): Promise<void> {
    if (String(urls) === String(this.#membership.feed)) return;
    const { feed: _, ...rest } = this.#membership;
    await this.#change(urls === undefined ? rest : { ...rest, feed: urls });
  }

  /** When to renew: at half of the grant's life (ms since the epoch), at once where it is from the future or disowned. */
  get renewAt(): number {
    const { iat, exp } = this.#grant.payload;
    const fromFuture = iat > this.#clock.now() / 1000 + limits.clockSkewSeconds;
    const disowned = !this.#charter.idps.includes(this.#grant.signer);
    return fromFuture || disowned ? 0 : ((iat + exp) / 2) * 1000;
  }

  /** Renews a grant that is past half of its life. @throws those of `obtainGrant`. */
  async renewDue(dial: Dial): Promise<void> {
    if (this.#clock.now() >= this.renewAt) await this.renew(dial);
  }

  /** Gets a new grant, and the charter that comes with it. @throws those of `obtainGrant`. */
  async renew(dial: Dial): Promise<void> {
    let fresh: Awaited<ReturnType<typeof obtainGrant>>;
    try {
      fresh = await this.#obtain(dial);
    } catch (error) {
      // The identity provider may have another key by now.
      const { epoch } = this.#charter;
      if (codeOf(error) === 'ENROL_AUDIENCE_MISMATCH') await this.#askForCharter(dial);
      if (this.#charter.epoch === epoch) throw error;
      fresh = await this.#obtain(dial);
    }
    this.#grant = fresh.grant;
    await this.#change({ ...this.#membership, grant: fresh.grant.raw });
    await this.learnCharter(fresh.charter.raw);
  }

  #obtain(dial: Dial) {
    const { project, controllers } = this.#membership;
    const [idp = ''] = this.#charter.idps;
    const asking = { dial, signing: this.#signing, clock: this.#clock };
    return obtainGrant(asking, { project, controllers, idp }, undefined);
  }

  #change(membership: Membership): Promise<void> {
    this.#membership = membership;
    return this.#save(membership);
  }
}

/** The controllers that a charter names. One whose address is not known is looked for where the others are. */
export function controllersUnder(charter: Charter, known: readonly PeerAddress[]): PeerAddress[] {
  const there = (id: string) => [...new Set(known.flatMap((peer) => addressesOf(peer, id)))];
  return charter.controllers.map(
    (id) =>
      known.find((peer) => peer.id === id) ?? {
        id,
        addrs: there(id).slice(0, wireLimits.controllerAddrsMax),
      },
  );
}
