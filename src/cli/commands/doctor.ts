import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';

export const doctor: Define = (program, act) => {
  program
    .command('doctor')
    .summary('see whether this machine can build')
    .description(
      'Checks what building for others needs: Node, git, a sandbox that really holds (it runs jobs in it), disk space and the clock. For each lack it prints what mends it.',
    )
    .addHelpText('after', examples('quorate doctor'))
    .action(act(run));
};

async function run({ home, out }: Context): Promise<Exit> {
  const { checkMachine } = await import('../machine.ts');
  const checks = await checkMachine(home);
  const ok = checks.every((check) => check.ok);
  out.value({ ok, checks });
  const { green, red, bold } = out.colours;
  for (const { name, ok: good, found, fix } of checks) {
    out.say(`${good ? green('ok     ') : red('missing')} ${bold(name)}: ${found}`);
    if (fix !== undefined && !good) out.say(`          ${fix}`);
  }
  out.say('', ok ? 'This machine can build.' : 'This machine cannot build yet: mend what is marked missing.');
  return ok ? exits.done : exits.cannot;
}
