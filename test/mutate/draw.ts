import { Random } from '../../simulations/random.ts';
import { kinds, type Mutation } from './operators.ts';

/** Folders that are measured, each by itself. */
export const measured = [
  'src/protocol',
  'src/store',
  'src/transfer',
  'src/egress',
  'src/dependencies',
  'src/http',
  'src/mesh',
  'src/node',
  'src/controller',
  'src/worker',
  'src/watcher',
  'src/client',
  'sandbox',
] as const;

/** Mutations of one folder: the kinds take turns, so that the many conditions do not crowd out the few limits. */
export function draw(seed: string, folder: string, from: readonly Mutation[], count: number): Mutation[] {
  const random = new Random(`${seed}/${folder}`);
  const left = new Map(
    random
      .shuffle(kinds)
      .map((kind) => [kind, random.fork(kind).shuffle(from.filter((one) => one.kind === kind))]),
  );
  const drawn: Mutation[] = [];
  while (drawn.length < count && [...left.values()].some((some) => some.length > 0))
    for (const some of left.values()) {
      const next = some.pop();
      if (next !== undefined && drawn.length < count) drawn.push(next);
    }
  return drawn;
}
