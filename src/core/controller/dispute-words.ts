import { escapeLine } from '../escape.ts';
import type { Dispute } from './dispute-reasons.ts';

const words: Record<Dispute, string> = {
  aborted: 'no operator could build it',
  'not-taken': 'no operator could take it',
  'not-built': 'no operator built it',
  'build-failed': 'the build failed, and no trusted worker has confirmed it',
  'results-differ': 'operators came to different results',
  'too-few': 'too few operators built it',
  'not-served': 'no peer serves the agreed artifact',
  'files-differ': 'operators list different files for the same tree',
  'too-late': "the request's time was up",
  'trusted-failed': "the trusted worker's build failed",
  contradicted: 'the trusted worker built something else',
  'cosign-refused': 'the trusted worker does not sign',
};

const isDispute = (reason: string): reason is Dispute => Object.hasOwn(words, reason);

/** Why there is no agreement; for a reason that a newer controller may send, the reason itself. */
export const disputeText = (reason: string): string =>
  isDispute(reason) ? words[reason] : escapeLine(reason, 40);

/** The text of a level. For `disputed` it includes the reason for which there is no agreement. */
export function levelText(level: string, reason: string | undefined): string {
  return level !== 'disputed' || reason === undefined ? level : `${level}: ${disputeText(reason)}`;
}
