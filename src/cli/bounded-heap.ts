import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Size up to which the young generation grows where there is much to do: with 1 MB, where it begins, a busy node spends a tenth of its
 * processor time on collections; above this it gains nothing.
 */
const youngBytesMax = 8 * 1024 * 1024;
/** What a process allocates while it starts is no reason to grow. */
const startMs = 10_000;
/** A time of `spanMs` with so few collections is one of rest. */
const spanMs = 10_000;
const restCollectionsMax = 6;
/** Collections in other times since the heap was last given back; after fewer there is little to give. */
const busyCollectionsMin = 32;
/** So many times of rest after each other: what comes after the heap was given back is slower for a while. */
const restSpans = 6;

/**
 * For a process that goes on running: keeps the heap near what is in use. V8 lets the young generation grow to tens of megabytes and
 * the old one to a multiple of what survived, and both stay. V8 reads these flags at each collection, so they hold from now on
 * (ADR 0065); called before the program of the process is loaded, which would let it grow. After a minute of rest that follows a
 * busy time, all garbage is collected and its pages are given back to the system, which takes some 0.2 s of processor time.
 */
export function boundHeap(times: { startMs?: number; spanMs?: number } = {}): void {
  const grown = performance.now() + (times.startMs ?? startMs);
  let grows: boolean | undefined;
  let lately = 0;
  let busy = 0;
  let rested = 0;
  const boundYoung = (): void => {
    const next = performance.now() >= grown && youngBytes() * 2 <= youngBytesMax;
    if (next === grows) return;
    grows = next;
    setFlagsFromString(`--semi-space-growth-factor=${next ? 2 : 1}`);
  };
  setFlagsFromString('--heap-growing-percent=50');
  boundYoung();
  new PerformanceObserver((list) => {
    lately += list.getEntries().length;
    boundYoung();
  }).observe({ entryTypes: ['gc'] });
  setInterval(() => {
    const collections = lately;
    lately = 0;
    rested = collections <= restCollectionsMax ? rested + 1 : 0;
    if (rested === 0) busy += collections;
    if (busy < busyCollectionsMin || rested < restSpans) return;
    busy = 0;
    giveBack();
  }, times.spanMs ?? spanMs).unref();
}

const youngBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space')?.space_size ?? 0;

/** V8 offers its collector to contexts that are made after the flag. */
function giveBack(): void {
  setFlagsFromString('--expose-gc');
  const collect: (how: object) => void = runInNewContext('gc');
  // Several collections follow each other: code that none of them sees running would have to be compiled again.
  setFlagsFromString('--no-flush-bytecode');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  setFlagsFromString('--flush-bytecode');
}
