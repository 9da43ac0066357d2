import type { ProbeWatch, Tier } from '../../sandbox/index.ts';
import { sandboxLimits } from '../../sandbox/limits.ts';
import { tierByNameOnly } from '../../sandbox/types.ts';
import type { Context } from '../terminal/context.ts';
import { duration } from '../terminal/format.ts';
import type { Board, Output } from '../terminal/output.ts';

/** Shows tier, step and time on a terminal; elsewhere a line for a slow probe. Ctrl-C aborts the probes. */
export async function watchProbes<T>(
  context: Pick<Context, 'out' | 'signal'>,
  look: (watch: ProbeWatch) => Promise<T>,
): Promise<T> {
  const shown = new ProbesShown(context.out);
  try {
    return await look({ onStep: shown.step, signal: context.signal });
  } finally {
    shown.end();
  }
}

/** The row of a running probe, erased at its end. */
export class ProbesShown {
  readonly #out: Output;
  readonly #board: Board;
  #tier: Tier | undefined;
  #since = 0;

  constructor(out: Output) {
    this.#out = out;
    this.#board = out.board();
  }

  readonly step = (tier: Tier, looksAt: string): void => {
    if (tier !== this.#tier) {
      this.#tier = tier;
      this.#since = Date.now();
      if (!this.#board.live && tier === tierByNameOnly) {
        const most = duration(sandboxLimits.emulatedProbeSecondsMax * 1000);
        this.#out.note(`Looking at the sandbox ${tier}: it starts machines, which may take up to ${most}.`);
      }
    }
    if (!this.#board.live) return;
    const text = `${tier} sandbox: ${looksAt}`;
    const changing = () => `${text}, ${duration(Date.now() - this.#since)}`;
    this.#board.set('sandbox', { text, changing });
  };

  end(): void {
    this.#board.erase();
  }
}
