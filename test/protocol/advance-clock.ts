/** Lets `ms` pass on a bench's clock; its machine gets a tick whenever one is due. */
export function advanceClock(
  bench: { now: number; send(event: { kind: 'tick' }): unknown },
  machine: { nextDeadline(): number | undefined },
  ms: number,
): void {
  const until = bench.now + ms;
  for (let steps = 0; steps < 1_000; steps++) {
    const next = machine.nextDeadline();
    if (next === undefined || next > until) {
      bench.now = until;
      return;
    }
    bench.now = Math.max(bench.now, next);
    bench.send({ kind: 'tick' });
  }
  throw new Error('the machine asks for ticks without end');
}
