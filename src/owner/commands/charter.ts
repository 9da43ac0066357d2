import { Option } from 'commander';
import { version } from '../../program.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { isBelow, leastWorkerOf } from '../../protocol/base/least-version.ts';
import type { Charter } from '../../protocol/documents/index.ts';
import { policyMeetsFloor } from '../../protocol/judge/policy.ts';
import { policyText } from '../../protocol/trust/odds-report.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { gitServers, leastWorker, wholeNumber, witnessKeys } from '../../terminal/values.ts';
import { openProject } from '../project.ts';
import type { CharterChanges, FloorChange } from '../project-folder.ts';
import { floorValue, lostBy, sayFloors } from './floor.ts';

interface Options {
  vcs?: string[];
  anyVcs?: boolean;
  witness?: string[];
  witnessesNeeded?: number;
  floor?: FloorChange;
  testFloor?: FloorChange;
  recipes?: 'outside' | 'own';
  leastWorker?: string | null;
  /** False with `--no-witnesses`. */
  witnesses: boolean;
}

export const charter: Define = (program, act) => {
  const group = defineCommand(program, 'charter', {
    summary: 'show or change what the root key signed',
    description:
      'The charter says who runs the project, where source may come from, and what a job needs at least; the root key signs it.',
    examples: ['quorate charter show', 'quorate charter set --vcs git.example.org'],
  });
  defineCommand(group, 'show', {
    summary: 'show the charter in force',
    description:
      'Shows what the charter of the project in this repository says, and by which keys it is run.',
    examples: ['quorate charter show', 'quorate charter show --json'],
  }).action(act(show));
  defineCommand(group, 'set', {
    summary: 'sign the next charter',
    description:
      'Signs the next version of the charter with the root key, which must be in .quorate/ for it. A running controller takes it over at once, workers with the next offer.',
    examples: [
      'quorate charter set --vcs git.example.org --vcs 192.168.1.5:3000',
      'quorate charter set --any-vcs',
      'quorate charter set --recipes outside',
      'quorate charter set --least-worker 0.2.0',
      'quorate charter set --floor 3/5+cosign --test-floor 2/3',
      'quorate charter set --witness witness.example.org+9f1c…+BEqM… --witnesses-needed 1',
    ],
  })
    .option(
      '--vcs <host>',
      'server a job may fetch source from, as host or host:port, in place of those before; repeatable',
      gitServers,
    )
    .option('--any-vcs', 'source may come from any server of the open internet')
    .option(
      '--witness <key>',
      'verifier key of a witness of others (C2SP), in place of those before; repeatable',
      witnessKeys,
    )
    .option('--witnesses-needed <n>', 'how many of them must have signed the log (default: all)', wholeNumber)
    .option('--no-witnesses', 'name none any more')
    .option(
      '--floor <policy>',
      'least policy of a job, N/M[+cosign][+rounds=R]: N of M operators agree, with the co-signature, in R rounds at most',
      floorValue,
    )
    .option('--test-floor <policy>', 'the same for jobs of kind: test', floorValue)
    .addOption(
      new Option(
        '--recipes <from>',
        "which job files count: the source's own quorate.yaml, or also those of other repositories",
      ).choices(['own', 'outside']),
    )
    .option(
      '--least-worker <version>',
      'the least version of Quorate on workers that get jobs, such as 0.2.0; none: any',
      leastWorker,
    )
    .action(act(set));
};

async function show({ cwd, out }: Context): Promise<Exit> {
  const folder = await openProject(cwd);
  const { charter } = folder;
  const { project, name, epoch, vcs, floor, testFloor, witnesses, recipes, bootstrap } = charter;
  const { controllers, trusted, idps } = charter;
  out.value({
    project,
    name,
    epoch,
    vcs,
    witnesses,
    recipes: recipes ?? 'own',
    floor,
    testFloor,
    leastWorker: leastWorkerOf(charter) ?? null,
    controllers,
    trusted,
    idps,
    bootstrap,
  });
  const keys = (label: string, all: readonly string[]) =>
    (all.length === 0 ? ['none'] : all).map((key, n) => `  ${(n === 0 ? label : '').padEnd(16)}  ${key}`);
  out.say(
    `Charter of ${out.colours.bold(name)}, epoch ${epoch}`,
    ...keys('root key', [project]),
    ...keys('controller', controllers),
    ...keys('trusted worker', trusted),
    ...keys('identity', idps),
    ...keys('bootstrap', bootstrap),
    shown(charter),
    ...sayFloors(charter),
    'To change it: quorate charter set',
  );
  return exits.done;
}

async function set({ cwd, out }: Context, options: Options): Promise<Exit> {
  const changes = changesOf(options);
  const folder = await openProject(cwd);
  const { changeCharter } = await import('../project-folder.ts');
  const { before, now, changed } = await changeCharter(folder, changes);
  const { witnesses } = now;
  const lost = lostBy(now, before);
  out.value({
    project: folder.project,
    epoch: now.epoch,
    vcs: now.vcs,
    before: before.vcs,
    witnesses,
    recipes: now.recipes ?? 'own',
    leastWorker: leastWorkerOf(now) ?? null,
    floor: now.floor,
    testFloor: now.testFloor,
    lost,
    changed,
  });
  if (!changed) {
    out.say(`${shown(now)} As before: nothing was signed.`);
    return exits.done;
  }
  const warn = (text: string) => out.say(out.colours.yellow(text));
  out.say(
    `Signed the charter of epoch ${now.epoch}. ${shown(now)}`,
    `Before: ${shown(before)}`,
    ...sayFloors(now),
    'A running controller takes it over at once, workers with the next offer.',
  );
  for (const says of [...lost.floor, ...lost.testFloor]) warn(`Lost. ${says}`);
  const tightened =
    !policyMeetsFloor(before.floor, now.floor) ||
    !policyMeetsFloor(before.testFloor ?? before.floor, now.testFloor ?? now.floor);
  if (tightened)
    warn(
      'Jobs that ask for less are refused from now on, and those that are under way end. Say what they need under "trust" in quorate.yaml.',
    );
  const gone = before.vcs.filter((server) => !now.vcs.includes(server));
  if (now.vcs.length > 0 && (gone.length > 0 || before.vcs.length === 0) && changes.vcs !== undefined)
    warn('Jobs that are under way and build from other servers are not co-signed any more.');
  if (before.recipes !== undefined && now.recipes === undefined)
    warn('Jobs of job files that other repositories hold are refused from now on, and those under way end.');
  if (changes.leastWorker !== undefined && isBelow({ program: version() }, leastWorkerOf(now)))
    warn(`Quorate here is ${version()}: a worker of this version gets no job either.`);
  if (witnesses !== undefined && changes.witnesses !== undefined)
    out.say('Tell the controller where each is: quorate controller --witness-url NAME=URL');
  return exits.done;
}

function changesOf(options: Options): CharterChanges {
  const { vcs, anyVcs = false, witness, witnessesNeeded, witnesses } = options;
  const { floor, testFloor, recipes, leastWorker } = options;
  if (vcs !== undefined && anyVcs)
    throw new QuorateError('CLI_USAGE', 'say which servers source may come from: --vcs, or else --any-vcs', {
      hint: 'Name all of them: they take the place of those before.',
    });
  if (witness !== undefined && !witnesses)
    throw new QuorateError('CLI_USAGE', 'name witnesses with --witness, or else --no-witnesses');
  if (witnessesNeeded !== undefined && (witness === undefined || witnessesNeeded > witness.length))
    throw new QuorateError(
      'CLI_USAGE',
      '--witnesses-needed is more than the witnesses that --witness names',
      { hint: 'Name each with --witness: they take the place of those before.' },
    );
  const servers = anyVcs ? [] : vcs;
  const named =
    witness === undefined ? undefined : { need: witnessesNeeded ?? witness.length, keys: witness };
  const floors = floor !== undefined || testFloor !== undefined;
  const others = floors || recipes !== undefined || leastWorker !== undefined;
  if (servers === undefined && named === undefined && witnesses && !others)
    throw new QuorateError(
      'CLI_USAGE',
      'say what to change: --vcs or --any-vcs, --witness or --no-witnesses, --floor, --test-floor, --recipes, --least-worker',
      { hint: 'quorate charter set --vcs git.example.org' },
    );
  return { vcs: servers, witnesses: witnesses ? named : null, floor, testFloor, recipes, leastWorker };
}

function shown(charter: Charter): string {
  const { vcs, recipes, witnesses, floor, testFloor = floor } = charter;
  const least = leastWorkerOf(charter);
  const workers = least === undefined ? '' : ` Workers are of ${least} or later.`;
  const servers = vcs.length === 0 ? 'any server of the open internet' : vcs.join(', ');
  const files = recipes === undefined ? '' : ' Job files may come from other repositories.';
  const from = `Source may come from ${servers}.${files} Floor ${policyText(floor)}, of tests ${policyText(testFloor)}.${workers}`;
  if (witnesses === undefined) return from;
  const names = witnesses.keys.map((key) => key.slice(0, key.indexOf('+'))).join(', ');
  return `${from} Witnesses of the log: ${witnesses.need} of ${names}.`;
}
