import { html } from 'hono/html';
import type { Dispute } from '../../core/controller/dispute-reasons.ts';
import type { Html } from './text.ts';

/** What to do about a dispute. */
const advice: Record<Dispute, string> = {
  aborted: 'Their reasons are in the logs and below: a limit of the job is too low, or an output is missing.',
  'not-taken': 'Their reasons are below: lower what the job asks for, or ask an operator to lend more.',
  'not-built': 'Have workers connected that fit the job, and publish it again.',
  'build-failed':
    'Read the logs. If it fails everywhere, fix the commit; connect the trusted worker to have the failure confirmed.',
  'results-differ':
    'The build is not reproducible, or an operator changed it. Compare the trees with the commands below, and find what the build depends on with quorate try --vary.',
  'too-few':
    'Have more operators connected, or lower the number that has to agree, as far as the charter allows.',
  'not-served': 'The operators that built it went away. Publish it again.',
  'files-differ':
    'An operator states other files than its tree has. Look at its receipt, and revoke the operator if that was no accident.',
  'too-late': 'Publish it again; have more workers connected, or give it more time.',
  'trusted-failed':
    'Read the log of the trusted worker: it lacks something that the operators have, or they agreed on something else than the commit.',
  contradicted:
    'Operators agreed on bytes that the trusted worker does not get. Compare the trees with the commands below. If the build is reproducible, those operators lied: revoke them.',
  'cosign-refused': 'The trusted worker says why, below. Look at its log before anything is published again.',
};

/** For a reason that a newer controller may send, where to look. */
export function adviceFor(reason: string, run: string): Html {
  const text = Object.hasOwn(advice, reason) ? advice[reason as Dispute] : '';
  return html`${text} <code>quorate show ${run.slice(0, 10)}</code> tells the same in a terminal.`;
}
