import type { PublicTrees } from '../node/artifacts/public-trees.ts';
import type { RevocationPage } from '../protocol/sessions/revocation-book.ts';
import type { CheckpointNotice, OfferNotice, VerdictNotice } from '../protocol/wire/messages.ts';

/** Documents that a controller shows to anybody who asks, besides its protocols: the same ones, each of which proves itself. */
export interface PublicView extends PublicTrees {
  readonly project: string;
  /** Compact JWS; undefined before there is one. */
  charter(): string | undefined;
  /** Open offers, oldest first, at most `limits.feedOffersMax`: those that follow an offer, none where that one is not open any more. */
  offers(after?: string): OfferNotice[];
  /** The latest verdicts, newest first, at most `limits.feedOffersMax`. Hints: the bundle is the proof. */
  verdicts(): VerdictNotice[];
  /** One message of the revocations in the log that count: those after the id `after`, or the first ones. */
  revocations(after?: string): RevocationPage;
  /** The current one, with its witnesses; undefined before there is one. */
  checkpoint(): CheckpointNotice | undefined;
  /** Of a run, a job or an artifact. @throws those of `CheckedBundles.get`. */
  bundle(which: string): Promise<string | undefined>;
  /** Size of that; undefined where there is none, or it is made first. */
  bundleBytes(which: string): Promise<number | undefined>;
  /** The level of an artifact, for people: its bundle is the proof. `none` of what no verdict is about, or only that of a test. */
  level(cid: string): 'trusted' | 'agreed' | 'revoked' | 'none';
}
