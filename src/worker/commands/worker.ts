import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { transferText } from '../../protocol/base/transfer-meter.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { bytes, counted, duration } from '../../terminal/format.ts';
import { aborted } from '../../terminal/run-node.ts';
import { hostEntry, hostPort } from '../../terminal/values.ts';
import type { ControlAnswer, ControlRequest } from '../node/control.ts';
import { addLiveKnobs, changesOf } from './knob-options.ts';
import { leave } from './leave.ts';
import { describeAllowed, describeHosts, describeLent } from './lending.ts';

/** Damaged trees that are named. */
const damagedShownMax = 5;

interface Which {
  project?: string;
}

interface PageOptions extends Which {
  listen?: { host: string; port: number };
}

const words = {
  status: 'show what it builds and what it lends',
  pause: 'pause running builds and take no new job',
  resume: 'continue after pause or drain',
  drain: 'take no new job, finish the builds, then end',
  stop: 'end at once; its leases go to other workers',
} as const;

export const worker: Define = (program, act) => {
  const group = defineCommand(program, 'worker', {
    summary: 'control the worker that runs on this machine',
    description:
      'Controls the worker that "quorate join" runs here, from another terminal. The worker answers its own user only.',
    examples: ['quorate worker status', 'quorate worker limits --cpus 1', 'quorate worker pause'],
  });
  const ofProject = (command: Command): Command =>
    command.option('--project <id>', 'the worker of this project, where several run');
  for (const verb of Object.keys(words) as (keyof typeof words)[])
    ofProject(
      defineCommand(group, verb, { summary: words[verb], examples: [`quorate worker ${verb}`] }),
    ).action(act((context: Context, { project }: Which) => ask(context, project, { do: verb })));
  const limits = defineCommand(group, 'limits', {
    summary: 'lend more or less, also to builds that run',
    description:
      'Changes what the running worker lends, until it ends; worker.toml holds for every start. Without options it shows what is lent.',
    examples: [
      'quorate worker limits --cpus 1 --memory 2GiB',
      'quorate worker limits --up 256KiB/s --priority idle',
    ],
  });
  ofProject(addLiveKnobs(limits)).action(
    act((context: Context, { project, ...wanted }: Which & Record<string, unknown>) =>
      ask(context, project, { do: 'limits', ...changesOf(wanted) }),
    ),
  );
  const allowed = defineCommand(group, 'allow', {
    summary: 'let it connect to a host that its project names',
    description:
      'Allows a host that "worker status" lists as pending: of a charter that names another one, or of a job. Holds for the running worker and its next starts.',
    examples: ['quorate worker allow git.example.org', 'quorate worker allow ci.example.org:8080 --withdraw'],
  })
    .argument('<host>', 'host, or host:port', hostEntry)
    .option('--withdraw', 'no longer allow it; what worker.toml lists stays allowed');
  ofProject(allowed).action(act(allow));
  defineCommand(group, 'config', {
    summary: 'show, check or begin worker.toml',
    description:
      'Shows what a worker started now would lend, from worker.toml in the home folder and the defaults.',
    examples: ['quorate worker config --example > ~/.quorate/worker.toml', 'quorate worker config --check'],
  })
    .option('--check [file]', 'say whether the file is right (default: the one in the home folder)')
    .option('--example', 'print a file with every key explained')
    .action(act(config));
  const page = defineCommand(group, 'page', {
    summary: 'show and steer the worker in a browser',
    description:
      'Serves a page to the browsers of this machine: what the worker does, what it lends, pause, resume, drain. Runs until Ctrl-C; the worker goes on.',
    examples: ['quorate worker page', 'quorate worker page --listen 127.0.0.1:4711'],
  }).option('--listen <host:port>', 'a loopback address (default: 127.0.0.1 and a free port)', hostPort);
  ofProject(page).action(act(showPage));
  defineCommand(group, 'leave', {
    summary: 'leave a project, and remove what is left of it here',
    description:
      'Leaves a project: removes its grant and charter, the journal of its worker, and what that kept of builds. Where this machine is in no other project, all images and trees that workers kept go too. The key, which is the same for all projects, and worker.toml stay. To come back it needs a ticket. Also for members without a worker.',
    examples: ['quorate worker leave', 'quorate worker leave tools'],
  })
    .argument('[project]', 'its id, or its name where only one has it (default: the only one)')
    .option('--yes', 'do not ask')
    .action(act(leaveHere));
};

async function allow(
  context: Context,
  host: string,
  { project, withdraw }: Which & { withdraw?: true },
): Promise<Exit> {
  const { askWorker } = await import('../node/control.ts');
  const before = (await askWorker(context.home, project, { do: 'status' })).status.hosts;
  const request = { do: 'allow', host, ...(withdraw && { withdraw }) } as const;
  return ask(context, project, request, ({ hosts }) =>
    describeAllowed(host, withdraw === true, before, hosts),
  );
}

async function leaveHere(
  context: Context,
  which: string | undefined,
  { yes = false }: { yes?: boolean },
): Promise<Exit> {
  const { home, out } = context;
  const left = await leave(context, which, { yes });
  if (left === undefined) {
    out.say('Nothing was removed.');
    return exits.no;
  }
  const { id, name } = left;
  out.value({ left: id, name });
  out.say(
    `Left: ${escapeLine(name, 64)} ${id}`,
    `The key of this machine stays in ${join(home, 'node.key')}.`,
  );
  return exits.done;
}

/** `note`: a line below the status, of what the request changed. */
async function ask(
  context: Context,
  project: string | undefined,
  request: ControlRequest,
  note?: (status: ControlAnswer['status']) => { text: string; mind: boolean },
): Promise<Exit> {
  const { askWorker } = await import('../node/control.ts');
  const answer = await askWorker(context.home, project, request);
  context.out.value({ ...answer });
  say(context, request.do, answer);
  if (note !== undefined) {
    const { text, mind } = note(answer.status);
    context.out.say(mind ? context.out.colours.yellow(text) : text);
  }
  return exits.done;
}

function say({ out }: Context, verb: ControlRequest['do'], { status, missed }: ControlAnswer): void {
  const { bold, dim, yellow } = out.colours;
  if (verb === 'stop') return out.say('It stops.');
  const { state, reason, behind, log, lending, unheeded, builds, leases, hostLoad } = status;
  const { damaged, fetching, using, hosts } = status;
  out.say(`${bold(state)}${reason === null ? '' : `: takes no new job, ${reason}`}`);
  // A worker of before says nothing of it.
  if (typeof behind === 'string') out.say(yellow(`  older      ${escapeLine(behind, 1000)}`));
  if (log !== null) out.say(yellow(`  the log    ${escapeLine(log, 1000)}`));
  if (verb === 'drain')
    out.say(
      dim(
        leases === 0
          ? 'It holds no lease, and ends by itself now.'
          : `It ends by itself when ${counted(leases, 'lease')} ${leases === 1 ? 'is' : 'are'} done. Sooner: quorate worker stop`,
      ),
    );
  out.say(...describeLent(lending));
  for (const what of unheeded) out.say(yellow(`  no effect  ${what}`));
  for (const { job, commit, ms } of builds)
    out.say(`  builds     ${escapeLine(job, 80)} at ${commit.slice(0, 12)} for ${duration(ms)}`);
  for (const root of damaged.slice(0, damagedShownMax))
    out.say(
      yellow(
        `  damaged    ${root}: nothing is removed from the store. To give it up, stop the worker, then: quorate store forget ${root} --worker`,
      ),
    );
  if (damaged.length > damagedShownMax)
    out.say(yellow(`  damaged    ${damaged.length - damagedShownMax} more`));
  if (fetching !== null) out.say(`  fetches    the image ${fetching.image}: ${transferText(fetching)}`);
  if (builds.length > 0)
    out.say(
      `  uses       ${bytes(using.memoryBytes)} of memory, ${duration(using.processorSeconds * 1000)} of processor`,
    );
  if (leases > builds.length) out.say(`  waits for  ${counted(leases - builds.length, 'round')} to end`);
  if (hostLoad !== null) out.say(`  others     keep ${hostLoad.toFixed(1)} processors busy`);
  out.say(...describeHosts(hosts).map(({ text, mind }) => (mind ? yellow(text) : text)));
  for (const what of missed)
    out.say(yellow(`A build that runs could not be held to the new limit of ${what}; the next one is.`));
}

async function config(
  context: Context,
  { example, check }: { example?: boolean; check?: string | true },
): Promise<Exit> {
  const { home, cwd, out } = context;
  if (example === true) {
    const { exampleWorkerFile } = await import('./worker-file.ts');
    out.value({ example: exampleWorkerFile });
    out.print(exampleWorkerFile.trimEnd());
    return exits.done;
  }
  const { checkConfig } = await import('./config.ts');
  if (typeof check !== 'string') return checkConfig(context, join(home, 'worker.toml'), {});
  const path = resolve(cwd, check);
  if (!existsSync(path))
    throw new QuorateError('WORKER_FILE_UNREADABLE', `there is no ${path}`, {
      hint: 'Name the file to check, or leave the name out for the one in the home folder.',
    });
  return checkConfig(context, path, {});
}

const secret = () => randomBytes(32).toString('base64url');

/** Serves the page of the worker that runs on this machine, until Ctrl-C. @throws `CLI_USAGE`, `WORKER_…`, `CONTROL_…`, `HTTP_…`. */
async function showPage(
  { home, out, signal }: Context,
  { listen = { host: '127.0.0.1', port: 0 }, project }: PageOptions,
): Promise<Exit> {
  if (!/^(127(\.\d{1,3}){3}|::1)$/.test(listen.host))
    throw new QuorateError('CLI_USAGE', `--listen ${listen.host} is not a loopback address`, {
      hint: 'The page is for this machine: 127.0.0.1:PORT or [::1]:PORT. From elsewhere: ssh -L PORT:127.0.0.1:PORT',
    });
  const { askWorker } = await import('../node/control.ts');
  const { serveLender } = await import('../page/app.ts');
  const ask = (request: ControlRequest) => askWorker(home, project, request);
  await ask({ do: 'status' });
  const { openHome } = await import('../../node/membership/home.ts');
  const memberships = await openHome(home).memberships();
  const [one, other] = memberships.filter(({ project: id }) => project === undefined || id === project);
  const server = await serveLender(listen, {
    secrets: { token: secret(), session: secret(), folder: secret(), csrf: secret() },
    // Of several projects it is not known which one the worker is of.
    project: one === undefined || other !== undefined ? undefined : { name: one.name, pages: one.feed?.[0] },
    host: { cpus: availableParallelism(), memoryBytes: totalmem() },
    ask,
    wait: (ms) => sleep(ms, true, { signal }).catch(() => false),
  });
  try {
    const { url } = server;
    out.value({ event: 'listening', url });
    out.say(
      `The page of the worker: ${out.colours.bold(url)}`,
      out.colours.dim(
        'Whoever has this address can steer the worker. Ctrl-C ends the page; the worker goes on.',
      ),
    );
    await aborted(signal);
  } finally {
    await server.close();
  }
  return exits.done;
}
