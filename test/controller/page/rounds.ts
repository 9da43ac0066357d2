import { built, leasedRound, other } from '../machine/bench.ts';

/** Two of three have delivered different results, and the round is not revealed. */
export async function sealedRound() {
  const round = await leasedRound();
  await round.bench.deliver('ada', round.leases.get('ada'), built);
  await round.bench.deliver('bob', round.leases.get('bob'), other);
  return round;
}
