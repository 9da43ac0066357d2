import { Random } from '../../../simulations/random.ts';
import { type Part, services, workers } from '../../e2e/support/ground.ts';

/** One fault of a run. What it does to a part is drawn beforehand; which file it meets depends on what that part keeps by then. */
export type Fault = { part: Part; afterMs: number } & (
  | { kind: 'kill' }
  | { kind: 'pause' | 'cut off' | 'full disk'; forMs: number }
  /** The part may open `spare` descriptors more than it has open. */
  | { kind: 'few descriptors'; forMs: number; spare: number }
  /** Its clock is set while it runs, before a run begins or after. */
  | { kind: 'clock jumps'; seconds: number; first: boolean }
  /** It is started once under such a clock. */
  | { kind: 'clock ahead'; seconds: number }
  /** `file`, `at`: which of its kinds of files, and where in it, in millionths; `removes`: where an error says that it may be removed. */
  | { kind: 'flip'; file: number; at: number; bit: number; removes: boolean }
  | { kind: 'cut'; file: number; at: number; removes: boolean }
  /** Its home is put back as it was before so many runs became trusted, and another one began: from a copy of the files, or a backup. */
  | { kind: 'restore'; behind: number; inFlight: boolean; from: 'copy' | 'backup' }
);

export type Kind = Fault['kind'];

/** How often each kind is drawn, of 100 faults. */
const shares: Readonly<Record<Kind, number>> = {
  kill: 13,
  pause: 7,
  'cut off': 12,
  'full disk': 10,
  'few descriptors': 8,
  'clock jumps': 5,
  'clock ahead': 5,
  flip: 22,
  cut: 12,
  restore: 6,
};

const parts: readonly Part[] = [...services, ...workers];
/** Those that keep a journal of their own under times, and can be told that a clock was wrong. */
const clocked: readonly Part[] = ['controller', 'idp', ...workers];

/** Those that have a copy of a past that others know to be longer. */
const restored: readonly Part[] = ['controller'];

/** The faults of a seed: the first of more faults are those of fewer. */
export function planOf(seed: number): (n: number) => Fault {
  const random = new Random(`chaos ${seed}`);
  const bag = Object.entries(shares).flatMap(([kind, share]) => Array<Kind>(share).fill(kind as Kind));
  const kinds: Kind[] = [];
  return (n) => {
    if (kinds.length === 0) kinds.push(...random.fork(`kinds ${n}`).shuffle(bag));
    return faultOf(kinds.pop() ?? 'kill', random.fork(`fault ${n}`));
  };
}

function faultOf(kind: Kind, random: Random): Fault {
  const millionth = () => random.int(0, 999_999);
  const where = {
    part: random.pick(kind === 'restore' ? restored : kind.startsWith('clock') ? clocked : parts),
    afterMs: random.int(0, 4_000),
  };
  const forMs = random.int(1_000, 6_000);
  switch (kind) {
    case 'kill':
      return { ...where, kind };
    case 'pause':
    case 'cut off':
    case 'full disk':
      return { ...where, kind, forMs };
    case 'few descriptors':
      return { ...where, kind, forMs, spare: random.int(0, 12) };
    case 'clock jumps':
      return {
        ...where,
        kind,
        seconds: random.pick([-1, 1]) * random.int(120, 90_000),
        first: random.chance(0.5),
      };
    case 'clock ahead':
      return { ...where, kind, seconds: random.int(120, 7_200) };
    case 'flip':
      return {
        ...where,
        kind,
        file: millionth(),
        at: millionth(),
        bit: random.int(0, 7),
        removes: random.chance(0.5),
      };
    case 'cut':
      return { ...where, kind, file: millionth(), at: millionth(), removes: random.chance(0.5) };
    case 'restore':
      return {
        ...where,
        kind,
        behind: random.int(0, 2),
        inFlight: random.chance(0.5),
        from: random.pick(['copy', 'backup'] as const),
      };
  }
}
