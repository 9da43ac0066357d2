import { memoryMb } from '../processes.ts';
import { median } from '../run.ts';

interface Sample {
  at: number;
  mb: number;
}

/** A process may hold this times as much in the last quarter of the time as in the second: garbage is collected late. */
const growthMax = 1.3;
/** Fewer samples have no quarters. */
const samplesMin = 8;
/** A heap grows to its working size in the first minutes; a process that ran for less is shown, and not judged. */
const judgedMsMin = 8 * 60_000;

/** Resident memory of processes over the time that each has run. A restarted process begins anew. */
export class MemoryWatch {
  readonly #samples = new Map<string, Sample[]>();

  forget(name: string): void {
    this.#samples.delete(name);
  }

  async sample(name: string, pid: number): Promise<void> {
    const found = await memoryMb(pid).catch(() => undefined);
    if (found === undefined) return;
    const samples = this.#samples.get(name) ?? [];
    samples.push({ at: performance.now(), mb: found.resident });
    this.#samples.set(name, samples);
  }

  /** Median of the second and of the last quarter of a process's time, in MB, for those that ran long enough. */
  quarters(): { name: string; early: number; late: number; grew: boolean }[] {
    return [...this.#samples].flatMap(([name, samples]) => {
      if (samples.length < samplesMin) return [];
      const quarter = Math.floor(samples.length / 4);
      const early = median(samples.slice(quarter, 2 * quarter).map(({ mb }) => mb));
      const late = median(samples.slice(-quarter).map(({ mb }) => mb));
      const ran = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
      return [{ name, early, late, grew: ran >= judgedMsMin && late > early * growthMax }];
    });
  }
}
