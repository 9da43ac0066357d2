import type { Multiaddr } from '@multiformats/multiaddr';
import { QuorateError } from '../protocol/base/errors.ts';
import { keepNewest } from '../protocol/base/maps.ts';
import { isIncompleteDial } from './errors.ts';
import { meshLimits } from './limits.ts';
import { isName, networkOf } from './network.ts';
import { Buckets } from './token-buckets.ts';

const { failedDialsPerNetwork, failedDialAgainMs, rememberedPlacesMax } = meshLimits;

/**
 * Limits the dials that fail, by network: any peer may say that others are at an address, and many such messages would have a node open
 * connections to a third party. Addresses that the operator configured, and those at which the right peer was found once, are not limited;
 * a name only until a dial to it fails: its owner may have it lead to a third party now.
 */
export class DialBudget {
  readonly #failed = new Buckets(1000 / failedDialAgainMs, failedDialsPerNetwork);
  /** The one found last at the end. */
  readonly #proven = new Map<string, true>();
  /** With what the last dial to a place failed; the newest at the end. */
  readonly #failures = new Map<string, unknown>();
  readonly #configured: ReadonlySet<string>;
  readonly #now: () => number;
  /** Dials that were not made, since the start. */
  refused = 0;

  constructor(configured: Iterable<string> = [], now: () => number = () => performance.now()) {
    this.#configured = new Set([...configured].map(placeOf));
    this.#now = now;
  }

  /** @throws MESH_UNREACHABLE when too many dials to that network have failed, MESH_BUSY when the last one to that place was not completed; as `connect` */
  async dial<T>(address: Multiaddr, connect: () => Promise<T>): Promise<T> {
    const place = placeOf(address.toString());
    const isConfigured = this.#configured.has(place);
    const isFree = isConfigured || this.#proven.has(place);
    const network = networkOf(address);
    if (!isFree && !this.#failed.take(network, this.#now())) {
      this.refused += 1;
      const cause = this.#failures.get(place);
      throw new QuorateError(
        isIncompleteDial(cause) ? 'MESH_BUSY' : 'MESH_UNREACHABLE',
        `${network} is not dialled: too many dials to it have failed`,
        { cause },
      );
    }
    let found: T;
    try {
      found = await connect();
    } catch (error) {
      if (isFree && !isConfigured && isName(address)) {
        this.#proven.delete(place);
        this.#failed.charge(network, 1, this.#now());
      }
      keepNewest(this.#failures, place, error, rememberedPlacesMax);
      throw error;
    }
    this.#failures.delete(place);
    if (!isFree) this.#failed.charge(network, -1, this.#now());
    keepNewest(this.#proven, place, true, rememberedPlacesMax);
    return found;
  }
}

/** Without the peer. */
const placeOf = (address: string): string => address.split('/p2p/')[0] ?? address;
