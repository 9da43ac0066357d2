import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { leave } from './leave.ts';

export const project: Define = (program, act) => {
  const group = defineCommand(program, 'project', {
    summary: 'the projects that this machine has joined',
    description: 'Lists the projects that this machine has joined; "quorate worker leave" leaves one.',
    examples: ['quorate project list'],
  });
  defineCommand(group, 'list', {
    summary: 'list them',
    description:
      'Lists the projects that this machine has joined, with the operator and the role it has there.',
    examples: ['quorate project list'],
  }).action(act(list));
  defineCommand(group, 'forget', {
    summary: 'leave one, as "quorate worker leave" does, without a question',
    description: 'As "quorate worker leave --yes"; kept for scripts that use its --json.',
    examples: ['quorate project forget tools'],
  })
    .argument('<project>', 'its id, or its name where only one has it')
    .action(act(forget));
};

async function list({ home: dir, out }: Context): Promise<Exit> {
  const { openHome } = await import('../../node/membership/home.ts');
  const found = await openHome(dir).memberships();
  out.value(found.map(({ project: id, name, operator, role }) => ({ project: id, name, operator, role })));
  if (found.length === 0)
    out.say('None. A ticket from the owner of a project leads into it: quorate join <ticket>');
  out.table(
    found.map(({ project: id, name, operator, role }) => [
      escapeLine(name, 64),
      escapeLine(operator, 64),
      role,
      id,
    ]),
  );
  return exits.done;
}

async function forget(context: Context, which: string): Promise<Exit> {
  const left = await leave(context, which, { yes: true });
  if (left === undefined) return exits.no;
  const { id, name } = left;
  context.out.value({ forgotten: id, name });
  context.out.say(`Forgotten: ${escapeLine(name, 64)} ${id}`);
  return exits.done;
}
