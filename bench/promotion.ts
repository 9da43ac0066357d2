import { exited, jobNamed, treeCid } from '../simulations/paperwork.ts';
import { Controller } from '../src/controller/machine/machine.ts';
import { assembleBundle } from '../src/controller/sessions/bundle.ts';
import { plainVerifier, remembering } from '../src/identity/verifier.ts';
import { decodeBundle, type Policy, type Request } from '../src/protocol/documents/index.ts';
import { verifyBundle } from '../src/protocol/trust/index.ts';
import { Bench as Machine, timings } from '../test/controller/machine/bench.ts';
import { bundleOf, cosign, draftIn } from '../test/controller/machine/evidence.ts';
import { realKeys } from '../test/simulations/real-keys.ts';
import { processorSeconds } from './processes.ts';
import { type Bench, inTurn, median } from './run.ts';

const { source } = jobNamed('project').job;
const operators = ['ada', 'bob', 'cy'];
const publishers = ['one', 'two', 'three'];
/** With the run that they rest on, all that may be open (`openRequestsMax`). */
const dependants = 999;
const fewer = 99;
const rounds = 5;

async function machineOf(): Promise<Machine> {
  const machine = new Machine(undefined, realKeys);
  machine.witnessing = false;
  await machine.start();
  await machine.members('trusted', ...operators);
  for (const name of publishers) await machine.enrol(name, { role: 'publisher' });
  machine.present('trusted', ...operators);
  return machine;
}

interface Work {
  as?: string;
  kind?: 'test';
  policy?: Partial<Policy>;
  needs?: Request['needs'];
}

const publish = (machine: Machine, name: string, work: Work = {}): Promise<string> =>
  machine.submit({ name, as: 'one', job: { source }, ...work });

/** These build the same, and what they agree on is pinned. */
async function build(machine: Machine, run: string, by: readonly string[]): Promise<void> {
  const round = () => machine.run(run).rounds.at(-1);
  const tokens = new Map<string, string>();
  for (const key of by) tokens.set(key, await machine.claim(key, { offer: round()?.offerId ?? '' }));
  if (round()?.windowOpen === true) machine.drive(timings.windowMs);
  const artifact = treeCid(`artifact of ${run}`);
  for (const [key, token] of tokens) {
    const reply = machine.lastReply(token);
    if (reply.kind !== 'lease') throw new Error(`${key} has no lease`);
    await machine.deliver(key, await machine.signed(reply.lease), exited(artifact));
  }
  if (machine.facts(run).phase.kind === 'pinning') machine.pinned(run);
}

/** Delivers the signature that a run waits for: of the trusted worker, or of witnesses of the log. */
async function conclude(machine: Machine, run: string): Promise<void> {
  if (machine.facts(run).phase.kind === 'witnessing') machine.witness(run);
  else await cosign(machine, run, 'trusted');
  if (machine.result(run).level !== 'trusted') throw new Error(`${run} is not trusted`);
}

/** Runs that are built on what another one made: half of them need a co-signature, the others witnesses of the log. */
async function builtOn(lib: string, machine: Machine, count: number): Promise<string[]> {
  const runs: string[] = [];
  const needs = { lib: { request: lib, level: 'agreed' as const } };
  for (let n = 0; n < count; n++) {
    const cosigned = n % 2 === 0;
    const as = publishers[n % publishers.length] ?? '';
    const policy = cosigned ? {} : { cosign: 'none' as const };
    const run = await publish(machine, `app-${n}`, { as, policy, needs });
    await build(machine, run, cosigned ? [...operators, 'trusted'] : operators);
    runs.push(run);
  }
  return runs;
}

interface Risen {
  machine: Machine;
  runs: string[];
  /** Seconds of processor time of the event with which all of them rise, in a machine of its own. */
  take(): Promise<number>;
}

async function risen(count: number): Promise<Risen> {
  const machine = await machineOf();
  const lib = await publish(machine, 'lib');
  await build(machine, lib, operators);
  const runs = await builtOn(lib, machine, count);
  await build(machine, lib, ['trusted']);
  const before = machine.journal.slice();
  await conclude(machine, lib);
  const last = machine.journal[before.length];
  if (last === undefined) throw new Error('the run that they rest on has ended');
  const { controller, idp } = machine.paper;
  const take = async (): Promise<number> => {
    const another = new Controller(controller.id, idp.id);
    for (const { event, now } of before) another.handle(event, now);
    const took = await processorSeconds(() => another.handle(last.event, last.now));
    const drafted = runs.filter((run) => 'draft' in (another.state.index.get(run)?.phase ?? {}));
    if (drafted.length !== count) throw new Error(`${drafted.length} of ${count} rose`);
    return took;
  };
  return { machine, runs, take };
}

/** The work of a controller when the input of all other runs becomes trusted. */
export async function promotion(bench: Bench): Promise<void> {
  const [few, many] = [await risen(fewer), await risen(dependants)];
  const { all, some } = await inTurn(rounds, { all: many.take, some: few.take });
  bench.figure(`${dependants} jobs rise: decided, verdicts written and logged`, all.warm * 1000, 'ms', {
    under: 100,
  });
  bench.figure('the same, for the first time', all.cold * 1000, 'ms', { under: 100 });
  bench.figure('of that for each', (all.warm * 1e6) / dependants, 'µs', {
    beside: [`of ${fewer}`, (some.warm * 1e6) / fewer],
    under: 2,
  });
  const { machine, runs } = many;
  const { project, controller } = machine.paper;
  const signing: number[] = [];
  const ending: number[] = [];
  for (const run of runs.slice(0, 2 * fewer)) {
    signing.push(await processorSeconds(() => assembleBundle(draftIn(machine, run), project, controller)));
    if (machine.facts(run).phase.kind === 'witnessing')
      ending.push(await processorSeconds(() => machine.witness(run)));
    else await conclude(machine, run);
  }
  bench.figure('beside that, documents of the controller signed for each', median(signing) * 1000, 'ms');
  bench.figure('and its witnesses counted, its verdict published', median(ending) * 1000, 'ms');
}

/** A bundle of five jobs, verified as `verify` does before it looks at files. */
export async function verification(bench: Bench): Promise<void> {
  const machine = await machineOf();
  const everybody = [...operators, 'trusted'];
  const lib = await publish(machine, 'build');
  await build(machine, lib, everybody);
  await conclude(machine, lib);
  const needs: NonNullable<Request['needs']> = { build: { request: lib, level: 'trusted' } };
  const gates: NonNullable<Request['needs']> = {};
  for (const name of ['test-1', 'test-2', 'test-3']) {
    const test = await publish(machine, name, { kind: 'test', policy: { cosign: 'none' }, needs });
    await build(machine, test, operators);
    await conclude(machine, test);
    gates[name] = { request: test, level: 'trusted', gate: true };
  }
  const last = await publish(machine, 'package', { needs: { ...needs, ...gates } });
  await build(machine, last, everybody);
  await conclude(machine, last);
  const bundles = { five: await bundleOf(machine, last), one: await bundleOf(machine, lib) };
  const verify = async (bundle = ''): Promise<void> => {
    const { project } = machine.paper;
    // As in a process of its own, which remembers nothing.
    const verifier = remembering(plainVerifier);
    const { level } = await verifyBundle(decodeBundle(bundle), { project }, verifier);
    if (level !== 'trusted') throw new Error(`it is ${level}`);
  };
  const { five, one } = await inTurn(2 * rounds, {
    five: () => processorSeconds(() => verify(bundles.five)),
    one: () => processorSeconds(() => verify(bundles.one)),
  });
  bench.figure('the bundle of a pipeline of five verified', five.warm * 1000, 'ms', { under: 200 });
  bench.figure('the same, for the first time', five.cold * 1000, 'ms', { under: 200 });
  bench.figure('of one of them', one.warm * 1000, 'ms');
}
