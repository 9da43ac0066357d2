import { resolve } from 'node:path';
import { rememberTiers } from '../../execution/tier-consent.ts';
import type { NodePorts } from '../../node/kernel/open-node.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { addDaemonOptions, daemonLog } from '../../terminal/daemon-options.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { shortId } from '../../terminal/format.ts';
import { runNode } from '../../terminal/run-node.ts';
import { addresses, severalTiers } from '../../terminal/values.ts';
import {
  agreed,
  builds,
  enrol,
  hostsToShow,
  type JoinOptions,
  joiningOf,
  nothingToRun,
  offerOf,
  sayLending,
} from './joining.ts';
import { addJoinKnobs } from './knob-options.ts';

/** Any free port. */
const listenDefault = '/ip4/0.0.0.0/tcp/0';

export const join: Define = (program, act) => {
  const command = defineCommand(program, 'join', {
    summary: 'lend this machine to a project',
    description:
      'Joins a project with a ticket and works for it until Ctrl-C. Checks the machine first, shows what it would lend, and asks. Without a ticket it goes on with the project it joined before.',
    examples: [
      'quorate join quorate1.eyJ…',
      'quorate join --cpus 2 --memory 4GiB --tier namespace',
      'sudo quorate join quorate1.eyJ… --service',
    ],
  }).argument('[ticket]', 'what the project owner sent');
  addDaemonOptions(addJoinKnobs(command))
    .option(
      '--tier <tier>',
      'sandbox to offer, each must work; repeatable (default: the strongest)',
      severalTiers,
    )
    .option('--listen <address>', 'where to listen; repeatable (default: any free port)', addresses)
    .option('--project <id>', 'which one, without a ticket and a member of several')
    .option('--check-config', 'say whether worker.toml is right, and do nothing')
    .option('--accept-clock', 'go on although the journal is later than now: the clock was wrong then')
    .option('--yes', 'do not ask')
    .option('--service', 'have systemd start it with this machine, instead of working now')
    .option('--user', 'with --service: of your own account, not of the machine')
    .option('--print-unit', 'show what --service would write, and do nothing')
    .action(act(run));
};

async function run(given: Context, ticket: string | undefined, options: JoinOptions): Promise<Exit> {
  const log = daemonLog(given.out, 'worker', options);
  const { out } = log;
  const context: Context = { ...given, out };
  if (options.checkConfig === true) {
    const { checkConfig } = await import('./config.ts');
    return checkConfig(context, resolve(context.home, 'worker.toml'), options);
  }
  if (options.service === true || options.printUnit === true) {
    const { joinAsService } = await import('./service/join.ts');
    return joinAsService(context, ticket, options);
  }
  const { openHome } = await import('../../node/membership/home.ts');
  const home = openHome(context.home);
  const joining = await joiningOf(home, ticket, options.project);
  const { project, operator, role } = joining;
  const { bold } = out.colours;

  if (!builds(role)) {
    if (ticket === undefined) throw nothingToRun(role);
    const membership = await enrol(context, home, ticket);
    out.value({ event: 'joined', project, operator, role });
    out.say(`Joined ${bold(membership.name)} as ${operator}, ${role}. Now: quorate jobs`);
    return exits.done;
  }

  const { checkIdle, startWorker } = await import('../node/node.ts');
  const { machineTime } = await import('../../node/ports.ts');
  checkIdle(home, project);
  if (ticket !== undefined) out.say('Looking whether this machine can build…');
  // Fails with a hint before the ticket is used.
  const offer = await offerOf(context, home.dir, resolve(home.dir, 'sandbox'), options, project);
  const { sandboxes, lending, rules, consent } = offer;
  const hosts = await hostsToShow(context, home, joining, rules, ticket);
  sayLending(context, joining, offer, hosts);
  const ask = ticket !== undefined || consent !== undefined;
  if (ask && !(await agreed(context, options, consent))) {
    out.say('Nothing was done.');
    return exits.no;
  }
  await rememberTiers(home.dir, sandboxes.tiers);
  // The enrolment shows the clock to be right; one that is set before the first event is noticed by this.
  const time = ticket === undefined ? undefined : machineTime();
  const membership = ticket === undefined ? joining.known : await enrol(context, home, ticket, hosts);
  if (membership === undefined) throw new Error('assertion failed: a membership is known or was made');

  const ended = Promise.withResolvers<void>();
  const start = (ports: NodePorts) =>
    startWorker({
      ...ports,
      home,
      sandboxes,
      membership,
      listen: options.listen ?? [listenDefault],
      lending,
      rules,
      acceptClock: options.acceptClock ?? false,
      time,
      onStop: ended.resolve,
    });
  await runNode({ log, options, signal: given.signal }, start, async (node, stopped) => {
    out.value({ event: 'working', id: node.id, project, operator, role, addresses: node.addresses() });
    out.say(
      `Working for ${bold(membership.name)} as ${operator} (${shortId(node.id)}). Ctrl-C stops; quorate worker steers.`,
    );
    await Promise.race([stopped, ended.promise]);
  });
  out.say('Stopped: this machine builds nothing now. Again, without a ticket: quorate join');
  return exits.done;
}
