import { artifactOf, isTrustedSlot } from '../../src/protocol/documents/index.ts';
import { type Observe, Violation } from '../observer.ts';

/**
 * A result of an open round, and the trusted worker's before its run is decided, never leaves the controller; no lease is
 * revealed and no worker publishes before its round is.
 */
export function sealed(): Observe {
  let secrets: { text: string; run: string; round: number; trusted: boolean }[] = [];
  const revealed = new Set<string>();
  const public_ = new Set<string>();
  const leases = new Map<string, { key: string }>();
  /** The job that a run is built as: with other inputs its rounds begin anew. */
  const jobs = new Map<string, string>();
  const keyOf = (run: string, round: number, trusted: boolean) =>
    `${run} ${jobs.get(run) ?? ''} ${trusted ? 'trusted' : round}`;
  const open = (run: string, round: number, trusted: boolean) => {
    revealed.add(keyOf(run, round, trusted));
    for (const secret of secrets) {
      if (secret.run === run && secret.trusted === trusted && (trusted || secret.round <= round))
        public_.add(secret.text);
    }
    secrets = secrets.filter(({ text }) => !public_.has(text));
  };
  const isOpen = (lease: string) => {
    const about = leases.get(lease);
    return about === undefined || revealed.has(about.key);
  };
  return (seen, truth) => {
    if (seen.kind === 'worker-handled') {
      for (const effect of seen.effects) {
        if (effect.kind === 'publish' && !isOpen(effect.lease))
          throw new Violation(`${truth.personOf(seen.worker)} publishes before its round is revealed`);
      }
    }
    if (seen.kind !== 'handled') return;
    const { event, effects } = seen;
    if (event.kind === 'receipt' && effects.some((e) => e.kind === 'reply' && e.reply.kind === 'ack')) {
      const { round, slot, outcome, log, lease } = event.receipt.payload.predicate.quorate_receipt;
      const run = seen.state.index.receiptOf(lease)?.run.id ?? '';
      const trusted = isTrustedSlot(slot);
      leases.set(lease, { key: keyOf(run, round, trusted) });
      for (const text of [artifactOf(outcome), log]) {
        if (text !== null && !public_.has(text) && !isOpen(lease))
          secrets.push({ text, run, round, trusted });
      }
    }
    for (const effect of effects) {
      if (effect.kind === 'progress') {
        const { progress, run } = effect;
        if (progress.kind === 'inputs') jobs.set(run, progress.job);
        if (progress.kind === 'revealed') open(run, progress.round, false);
        if (progress.kind === 'verdict' && progress.level !== 'agreed') open(run, 0, true);
        if (progress.kind === 'cosigning') open(run, 0, true);
        // Its request has ended, and it stays what it is: an input was not trusted in time.
        const known = seen.state.index.get(run);
        if (progress.kind === 'unconfirmed' && known?.phase.kind === 'done') open(run, 0, true);
      }
    }
    if (secrets.length === 0 && !effects.some(({ kind }) => kind === 'reveal')) return;
    const said = JSON.stringify(effects);
    const told = secrets.find(({ text }) => said.includes(text));
    if (told !== undefined)
      throw new Violation(
        told.trusted
          ? `the trusted worker's result is told while its run is undecided`
          : `a result of round ${told.round} is told while the round is sealed`,
      );
    for (const effect of effects) {
      if (effect.kind === 'reveal' && !isOpen(effect.lease))
        throw new Violation('a lease is revealed while its round is sealed');
    }
  };
}
