import type { Random } from './random.ts';

/** In some seeds some operators allow the host of the sources late: their workers pass on jobs until then. */
export function withHosts<T extends object>(
  random: Random,
  operators: readonly T[],
): (T & { allowsAfterMs?: number })[] {
  const draw = random.fork('hosts');
  if (!draw.chance(0.2)) return [...operators];
  return operators.map((operator) =>
    draw.chance(0.5) ? { ...operator, allowsAfterMs: draw.int(10_000, 400_000) } : operator,
  );
}
