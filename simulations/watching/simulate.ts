import { inTurn, standIn } from '../keys.ts';
import { Network } from '../network.ts';
import { foundBy, Violation } from '../observer.ts';
import { epochMs } from '../paperwork.ts';
import { Random } from '../random.ts';
import { calm } from '../rates.ts';
import { Reader } from '../reader.ts';
import { Scheduler } from '../scheduler.ts';
import { Trace } from '../trace.ts';
import { watchCheckers } from './checkers.ts';
import { HookNode, WatcherNode, type WatchPatches } from './nodes.ts';
import { Project, pullRef, type Seen } from './project.ts';

const minuteMs = 60_000;
/** Time of the faults, and then the time in which all is to end. */
const [faultsMs, finishMs] = [20 * minuteMs, 15 * minuteMs];

/** Runs a watcher and a hook beside a project that lies, and dies itself, then heals. Never throws for what it finds. */
export async function simulateWatching(
  seed: number,
  patches: WatchPatches = {},
): Promise<{ failure: { invariant: string; message: string } | null; trace: Trace }> {
  const random = new Random(`watching ${seed}`);
  const { keys, settle } = inTurn(standIn);
  const time = new Scheduler(settle);
  const trace = new Trace();
  const network = new Network(time, random.fork('network'), calm);
  const checkers = Object.entries(watchCheckers).map(([name, make]) => [name, make()] as const);
  let failure: unknown;
  const observe = (seen: Seen) => {
    for (const [invariant, check] of checkers) {
      try {
        check(seen);
      } catch (error) {
        failure ??= foundBy(invariant, error);
      }
    }
  };
  const rates = { ...calm, workerCrashPerEvent: random.pick([0, 0.02, 0.08]) };
  const around = {
    time,
    network,
    trace,
    random,
    keys,
    documents: new Reader(keys.verifier),
    rates: () => network.rates,
    observe: () => {},
  };
  const project = new Project(time, random.fork('project'), observe);
  const watcher = new WatcherNode(around, project, patches);
  const hook = new HookNode(around, project, patches, observe);
  const owner = random.fork('owner');
  const run = async (ms: number) => {
    await time.run(time.now + ms, () => failure !== undefined);
    if (failure !== undefined) throw failure;
  };
  const acts = [
    () => project.push(owner.pick(['refs/heads/main', 'refs/heads/main', 'refs/heads/release/a'])),
    () => project.pull(owner.int(1, 3)),
    () => void project.pulls.delete(owner.int(1, 3)),
    () => void watcher.watcher?.hook({ delivery: `${owner.int(1, 5)}`, digest: '' }).catch(() => {}),
    () => {
      const seen = [...watcher.machine.state.pulls.values()];
      if (!watcher.up || seen.length === 0) return;
      const { pull, commit } = owner.pick(seen);
      observe({ kind: 'approved', ref: pullRef(pull), commit });
      void watcher.watcher?.decide(pull, commit, 'approved', 'carol');
    },
    () => owner.pick([watcher, hook]).crash('at a random time'),
  ];
  try {
    watcher.start();
    hook.start();
    await run(minuteMs);
    project.lies = true;
    network.rates = rates;
    for (let at = 5_000; at < faultsMs; at += owner.int(2_000, 40_000))
      time.at(epochMs + minuteMs + at, () => owner.pick(acts)());
    await run(faultsMs);
    project.lies = false;
    network.rates = calm;
    for (const node of [watcher, hook]) node.start();
    await run(finishMs);
    observe({ kind: 'ended', watcher: watcher.machine, hook: hook.machine, project });
    if (failure !== undefined) throw failure;
  } catch (error) {
    const { invariant = '', message } =
      error instanceof Violation ? error : { invariant: 'no crash', message: String((error as Error).stack) };
    return { failure: { invariant, message }, trace };
  }
  return { failure: null, trace };
}
