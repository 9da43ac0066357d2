import { escapeLine } from '../../protocol/base/escape.ts';
import { type Context, type Define, defineCommand } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';

export const key: Define = (program, act) =>
  defineCommand(program, 'key', {
    summary: "print this machine's key",
    description:
      "Prints the PeerId of this machine's key, and makes the key on first use. A project's owner needs it to name a trusted worker.",
    examples: ['quorate key'],
  }).action(act(run));

async function run({ home: dir, out }: Context): Promise<Exit> {
  const { openHome } = await import('../../node/membership/home.ts');
  const opened = openHome(dir);
  const isNew = !opened.hasKey();
  const { id } = await opened.key();
  if (isNew) out.note(`This is a new key, made in ${escapeLine(dir, 300)}.`);
  out.value({ key: id, home: dir });
  out.say(id);
  return exits.done;
}
