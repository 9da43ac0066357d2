import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { eventPrinter } from '../node-events.ts';
import { openProject } from '../project.ts';
import { addresses, secondsOf } from '../values.ts';
import { watchNode } from '../wait.ts';

interface Options {
  listen?: string[];
  announce?: string[];
  bootstrap?: string[];
  slotWait?: number;
}

/** A fixed port, as tickets name it. */
const listenDefault = '/ip4/0.0.0.0/tcp/4710';

export const controller: Define = (program, act) => {
  program
    .command('controller')
    .summary('hand out the work of a project')
    .description(
      'Runs the controller of the project in this repository: it admits operators, hands out work, keeps artifacts and publishes verdicts. It builds nothing. Runs until Ctrl-C; what it knows is on disk.',
    )
    .option('--listen <address>', `where to listen; repeatable (default: ${listenDefault})`, addresses)
    .option(
      '--announce <address>',
      'what to tell others instead: a name, a forwarded port; repeatable',
      addresses,
    )
    .option('--bootstrap <address>', 'first peer of the network; repeatable', addresses)
    .option(
      '--slot-wait <time>',
      'how long a round waits for operators to take its slots (default: 10m)',
      secondsOf,
    )
    .addHelpText(
      'after',
      examples('quorate controller', 'quorate controller --announce /dns4/ci.example.org/tcp/4710'),
    )
    .action(act(run));
};

async function run({ cwd, out, signal }: Context, options: Options): Promise<Exit> {
  const folder = await openProject(cwd);
  const { startController } = await import('../../runtime/controller-node.ts');
  const { failed, untilStopped } = watchNode(signal);
  const node = await startController({
    folder,
    listen: options.listen ?? [listenDefault],
    announce: options.announce ?? [],
    bootstrap: options.bootstrap ?? [],
    ...(options.slotWait === undefined ? {} : { slotWaitMs: options.slotWait * 1000 }),
    onEvent: eventPrinter(out),
    onFailure: failed,
  });
  const { bold, dim } = out.colours;
  out.value({ event: 'listening', id: node.id, project: node.project, addresses: node.addresses() });
  out.say(
    `Controller of ${bold(folder.name)}`,
    `  project  ${node.project}`,
    ...node.addresses().map((address) => `  address  ${address}`),
    dim('Ctrl-C stops it. Tickets: quorate invite <operator>'),
  );
  try {
    await untilStopped;
  } finally {
    await node.close();
  }
  return exits.done;
}
