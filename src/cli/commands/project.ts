import { QuorateError } from '../../core/errors.ts';
import { escapeLine } from '../../core/escape.ts';
import { type Context, type Define, examples } from '../context.ts';
import { type Exit, exits } from '../exit-codes.ts';
import { columns } from '../format.ts';

export const project: Define = (program, act) => {
  const group = program
    .command('project')
    .summary('the projects that this machine has joined')
    .description('Lists the projects that this machine has joined, and leaves one.')
    .addHelpText('after', examples('quorate project list', 'quorate project forget tools'));
  group
    .command('list')
    .summary('list them')
    .description(
      'Lists the projects that this machine has joined, with the operator and the role it has there.',
    )
    .addHelpText('after', examples('quorate project list'))
    .action(act(list));
  group
    .command('forget')
    .summary('leave one')
    .description(
      'Removes what this machine knows of a project: its grant, the charter, and the journal of its worker. To come back it needs a ticket. Artifacts stay until their room is needed; the key is the same for all projects and stays.',
    )
    .argument('<project>', 'its id, or its name where only one has it')
    .addHelpText('after', examples('quorate project forget tools'))
    .action(act(forget));
};

async function list({ home: dir, out }: Context): Promise<Exit> {
  const { openHome } = await import('../../runtime/membership/home.ts');
  const found = await openHome(dir).memberships();
  out.value(found.map(({ project: id, name, operator, role }) => ({ project: id, name, operator, role })));
  if (found.length === 0)
    out.say('None. A ticket from the owner of a project leads into it: quorate join <ticket>');
  out.say(
    ...columns(
      found.map(({ project: id, name, operator, role }) => [
        escapeLine(name, 64),
        escapeLine(operator, 64),
        role,
        id,
      ]),
    ),
  );
  return exits.done;
}

async function forget({ home: dir, out }: Context, which: string): Promise<Exit> {
  const { openHome } = await import('../../runtime/membership/home.ts');
  const { isWorkerRunning } = await import('../../runtime/worker/control.ts');
  const home = openHome(dir);
  const { project: id, name } = await home.membership(which);
  if (await isWorkerRunning(dir, id)) {
    throw new QuorateError('PROJECT_IN_USE', `a worker of ${name} runs here`, {
      hint: `End it first: quorate worker stop --project ${id}`,
    });
  }
  await home.forget(id);
  out.value({ forgotten: id, name });
  out.say(`Forgotten: ${escapeLine(name, 64)} ${id}`);
  return exits.done;
}
