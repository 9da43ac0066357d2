import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Invite } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { Home, Membership } from '../../runtime/home.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { shortId } from '../format.ts';
import { describeLending, type LendingOptions, lendingFrom } from '../lending.ts';
import { eventPrinter } from '../node-events.ts';
import { addresses, bytesOf, wholeNumber } from '../values.ts';
import { watchNode } from '../wait.ts';

interface Options extends LendingOptions {
  listen?: string[];
  project?: string;
  yes?: boolean;
}

/** Any free port; whoever has a public address names it. */
const listenDefault = '/ip4/0.0.0.0/tcp/0';

export const join: Define = (program, act) => {
  program
    .command('join')
    .summary('lend this machine to a project')
    .description(
      'Joins a project with a ticket and works for it until Ctrl-C. Checks the machine first, shows what it would lend, and asks. Without a ticket it goes on with the project it joined before.',
    )
    .argument('[ticket]', 'what the project owner sent')
    .option('--cpus <n>', 'processors to lend (default: half)', wholeNumber)
    .option('--memory <size>', 'memory to lend, such as 4GiB (default: half)', bytesOf)
    .option('--disk <size>', 'disk space to lend, such as 10GiB', bytesOf)
    .option('--jobs <n>', 'jobs at once', wholeNumber)
    .option('--listen <address>', 'where to listen; repeatable (default: any free port)', addresses)
    .option('--project <id>', 'which one, without a ticket and a member of several')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples('quorate join quorate1.eyJ…', 'quorate join --cpus 2 --memory 4GiB'))
    .action(act(run));
};

async function run(context: Context, ticket: string | undefined, options: Options): Promise<Exit> {
  const { out, signal } = context;
  const { openHome } = await import('../../runtime/home.ts');
  const home = openHome(context.home);
  const invite = ticket === undefined ? undefined : await readTicket(ticket, home);
  const known = invite === undefined ? await home.membership(options.project) : undefined;
  const role = invite?.role ?? known?.role ?? 'worker';
  const project = invite?.project ?? known?.project ?? '';
  const operator = invite?.operator ?? known?.operator ?? '';
  const { bold } = out.colours;

  if (role !== 'worker' && role !== 'trusted-worker') {
    if (ticket === undefined) {
      throw new QuorateError(
        'CLI_NOTHING_TO_RUN',
        `this machine is a ${role} of the project, which builds nothing`,
        {
          hint: 'quorate run publishes a job, quorate jobs lists them.',
        },
      );
    }
    const membership = await enrol(home, ticket, signal);
    out.value({ event: 'joined', project, operator, role });
    out.say(`Joined ${bold(membership.name)} as ${operator}, ${role}. Now: quorate jobs`);
    return exits.done;
  }

  const { openSandbox } = await import('../../../sandbox/index.ts');
  if (ticket !== undefined) out.say('Looking whether this machine can build…');
  // Refuses with what mends it, before anything is promised to anybody.
  const sandbox = await openSandbox(resolve(home.dir, 'sandbox'));
  const lending = await lendingFrom(options);
  out.say(
    `${known === undefined ? 'Joins' : 'Goes on with'} project ${bold(known?.name ?? shortId(project))} as ${bold(operator)}, ${role}.`,
    'It lends, at low priority and in a sandbox:',
    ...describeLending(lending),
    'What is built is up to the project; its results go there, nothing else does.',
  );
  if (ticket !== undefined && !(await agreed(context, options))) {
    out.say('Nothing was done.');
    return exits.no;
  }
  const membership = ticket === undefined ? known : await enrol(home, ticket, signal);
  if (membership === undefined) throw new Error('assertion failed: a membership is known or was made');

  const { startWorker } = await import('../../runtime/worker-node.ts');
  const { failed, untilStopped } = watchNode(signal);
  const node = await startWorker({
    home,
    sandbox,
    membership,
    listen: options.listen ?? [listenDefault],
    lending,
    onEvent: eventPrinter(out),
    onFailure: failed,
  });
  out.value({ event: 'working', id: node.id, project, operator, role, addresses: node.addresses() });
  out.say(`Working for ${bold(membership.name)} as ${operator} (${shortId(node.id)}). Ctrl-C stops.`);
  try {
    await untilStopped;
  } finally {
    await node.close();
  }
  return exits.done;
}

/** Verified as far as one machine can: the signature holds, it is not over, and it is for this key. */
async function readTicket(ticket: string, home: Home): Promise<Invite> {
  const { decodeTicket } = await import('../../identity/ticket.ts');
  const { checkTime, openMessage } = await import('../../core/documents/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const jws = decodeTicket(ticket);
  let invite: Invite;
  try {
    invite = (await openMessage('invite', jws, joseVerifier)).payload;
    checkTime(invite, Date.now(), 'the ticket');
  } catch (cause) {
    if (!(cause instanceof QuorateError)) throw cause;
    const code = cause.code === 'DOC_EXPIRED' ? 'TICKET_EXPIRED' : 'TICKET_INVALID';
    throw new QuorateError(code, cause.message, {
      hint: cause.hint ?? 'Ask the project owner for a new one.',
      cause,
    });
  }
  if (invite.key !== undefined && invite.key !== (await home.key()).id) {
    throw new QuorateError('TICKET_OTHER_KEY', 'the ticket is for another machine', {
      hint: `It names the key ${invite.key}; this machine's is printed by: quorate key`,
    });
  }
  return invite;
}

async function enrol(home: Home, ticket: string, signal: AbortSignal): Promise<Membership> {
  const { joinProject } = await import('../../runtime/join.ts');
  return joinProject({ home, ticket, signal });
}

async function agreed({ interactive, signal }: Context, { yes = false }: Options): Promise<boolean> {
  if (yes) return true;
  if (!interactive) {
    throw new QuorateError('CLI_CONFIRMATION_NEEDED', 'nobody is at a terminal to say yes', {
      hint: 'Add --yes.',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return /^y(es)?$/i.test((await terminal.question('Lend this machine? [y/N] ', { signal })).trim());
  } finally {
    terminal.close();
  }
}
