import type { Charter, Grant, Role, Verified } from '../documents/index.ts';
import { limits } from '../limits.ts';
import { ask, obtainGrant, openCharter } from './ask.ts';
import type { Clock, Dial, PeerAddress, Signing } from './ports.ts';

/** What a node knows of a project that it belongs to. */
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

const controllerAddrsMax = 16;

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

  /** `save` keeps a changed membership for the next start. Errors: `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
  static async open(
    signing: Signing,
    clock: Pick<Clock, 'now'>,
    membership: Membership,
    save: (membership: Membership) => Promise<void>,
  ): Promise<Credentials> {
    const { documents } = signing;
    const charter = (await openCharter(membership.charter, membership.project, documents)).payload;
    const grant = await documents.message('grant', membership.grant);
    return new Credentials(signing, clock, save, { membership, charter, grant });
  }

  get membership(): Membership {
    return this.#membership;
  }

  get charter(): Charter {
    return this.#charter;
  }

  get grant(): Verified<Grant> {
    return this.#grant;
  }

  /** Takes a charter of a higher epoch; an older one is ignored. Errors: `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
  async learnCharter(raw: string): Promise<void> {
    if (raw === this.#membership.charter) return;
    const learned = await openCharter(raw, this.#membership.project, this.#signing.documents);
    if (learned.payload.epoch <= this.#charter.epoch) return;
    this.#charter = learned.payload;
    await this.#change({ ...this.#membership, charter: raw, bootstrap: this.#charter.bootstrap });
  }

  /**
   * Asks the controller for its charter where the known one is of an earlier epoch; one question at a time. The charter may
   * be older than `epoch` still. Errors: those of `ask`, `CHARTER_ISSUER_MISMATCH`, `DOC_…`.
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

  /** Takes other addresses of a controller that the charter names. */
  async learnAddress(id: string, addrs: readonly string[]): Promise<void> {
    if (!this.#charter.controllers.includes(id) || addrs.length === 0) return;
    const { controllers } = this.#membership;
    const known = controllers.find((controller) => controller.id === id)?.addrs ?? [];
    if (addrs.every((addr) => known.includes(addr))) return;
    // The addresses known before may still be right: some lead there from some networks only.
    const all = [...new Set([...addrs, ...known])].slice(0, controllerAddrsMax);
    const others = controllers.filter((controller) => controller.id !== id);
    await this.#change({ ...this.#membership, controllers: [{ id, addrs: all }, ...others] });
  }

  /** Takes the URLs of the controller's HTTP feed; undefined where it has none. */
  async learnFeed(urls: string[] | undefined): Promise<void> {
    if (String(urls) === String(this.#membership.feed)) return;
    const { feed: _, ...rest } = this.#membership;
    await this.#change(urls === undefined ? rest : { ...rest, feed: urls });
  }

  /** When the grant should be renewed, at half of its life (ms since the epoch); at once where it is from the future. */
  get renewAt(): number {
    const { iat, exp } = this.#grant.payload;
    const fromFuture = iat > this.#clock.now() / 1000 + limits.clockSkewSeconds;
    return fromFuture ? 0 : ((iat + exp) / 2) * 1000;
  }

  /** Renews a grant that is past half of its life. Errors: those of `obtainGrant`. */
  async renewDue(dial: Dial): Promise<void> {
    if (this.#clock.now() >= this.renewAt) await this.renew(dial);
  }

  /** Gets a new grant, and the charter that comes with it. Errors: those of `obtainGrant`. */
  async renew(dial: Dial): Promise<void> {
    const { project, controllers } = this.#membership;
    const [idp = ''] = this.#charter.idps;
    const asking = { dial, signing: this.#signing, clock: this.#clock };
    const fresh = await obtainGrant(asking, { project, controllers, idp }, undefined);
    this.#grant = fresh.grant;
    await this.#change({ ...this.#membership, grant: fresh.grant.raw });
    await this.learnCharter(fresh.charter.raw);
  }

  #change(membership: Membership): Promise<void> {
    this.#membership = membership;
    return this.#save(membership);
  }
}
