import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Largest young generation of a busy process. At 1 MB, where it begins, collections take a tenth of the processor; more than this gains nothing.
 * It may be exceeded within one turn of the event loop.
 */
const youngBytesMax = 8 * 1024 * 1024;
/** Time after the start, in ms, in which the young generation stays at 1 MB. */
const startMs = 10_000;
/** Length of a span, in ms, and the shares of one processor up to which it is one of rest, and from which it is a busy one. */
const spanMs = 10_000;
const restShareMax = 0.015;
const busyShareMin = 0.05;
/** Spans of rest after a busy one, until memory is given back. Work right after that is slower, since code is compiled again. */
const restSpans = 6;

/**
 * Keeps the heap of a process that goes on running near what is in use: V8 lets both generations grow, and both stay (ADR 0065). Call it before
 * the program of the process is loaded. After six spans of rest that follow a busy one, all garbage is collected (some 0.2 s) and returned.
 */
export function boundHeap(times: { startMs?: number; spanMs?: number } = {}): void {
  const grown = performance.now() + (times.startMs ?? startMs);
  let grows: boolean | undefined;
  const boundYoung = (): void => {
    const next = performance.now() >= grown && youngBytes() * 2 <= youngBytesMax;
    if (next === grows) return;
    grows = next;
    setFlagsFromString(`--semi-space-growth-factor=${next ? 2 : 1}`);
  };
  setFlagsFromString('--heap-growing-percent=50');
  boundYoung();
  new PerformanceObserver(boundYoung).observe({ entryTypes: ['gc'] });
  afterRest(times.spanMs ?? spanMs, giveBack);
}

/** Calls `act` when there were `restSpans` of rest since the process was busy. */
function afterRest(everyMs: number, act: () => void): void {
  let wasBusy = false;
  let rested = 0;
  let from = { at: performance.now(), used: processorMs() };
  setInterval(() => {
    const to = { at: performance.now(), used: processorMs() };
    const share = (to.used - from.used) / (to.at - from.at);
    from = to;
    if (share >= busyShareMin) {
      wasBusy = true;
      rested = 0;
    } else if (share <= restShareMax) rested += 1;
    if (!wasBusy || rested < restSpans) return;
    wasBusy = false;
    act();
    from = { at: performance.now(), used: processorMs() };
  }, everyMs).unref();
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
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
