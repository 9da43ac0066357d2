import { escapeLine } from '../../protocol/base/escape.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import type { Output } from '../../terminal/output.ts';
import type { ConditionResult } from '../trial/vary.ts';

/** Files listed per line; --json lists all. */
const filesShownMax = 5;

/** Prints a line for each condition, and the conclusion. Returns the exit code. */
export async function sayVaried(out: Output, results: AsyncIterable<ConditionResult>): Promise<Exit> {
  const { red, green, dim } = out.colours;
  const varying = new Map<string, ConditionResult>();
  out.say('', 'Again, with one thing different each time:');
  for await (const result of results) {
    const { condition, differences, failed } = result;
    const { name, says, pinned } = condition;
    const differs = differences.length > 0 || failed !== undefined;
    if (differs) varying.set(name, result);
    const files = differences.map(({ path, change }) => ({ path, change }));
    out.value({ event: 'varied', condition: name, pinned, differs, failed: failed ?? null, files });
    const head = name.padEnd(10);
    if (differs) out.say(`${red('differs')} ${head} ${says}: ${inWhat(result)}`);
    else out.say(`${green('same   ')} ${head} ${dim(says)}`);
  }
  out.value({ event: 'vary', differs: [...varying.keys()] });
  const all = [...varying.values()];
  const [pinned, open] = [
    all.filter(({ condition }) => condition.pinned),
    all.filter(({ condition }) => !condition.pinned),
  ];
  const names = (of: ConditionResult[]) => of.map(({ condition }) => condition.name).join(', ');
  if (all.length === 0) out.say('', green('Nothing of this changes the outputs.'));
  else out.say('');
  if (open.length > 0) out.say(red(`Workers can differ in: ${names(open)}. They will not agree.`));
  if (pinned.length > 0)
    out.say(`The same on every worker, not elsewhere: ${names(pinned)}. They can agree all the same.`);
  return all.length === 0 ? exits.done : exits.no;
}

function inWhat({ differences, failed }: ConditionResult): string {
  if (failed !== undefined) return escapeLine(`the build fails (${failed})`, 400);
  const shown = differences.slice(0, filesShownMax).map(({ path, change }) => {
    const name = escapeLine(path, 200);
    return change === 'changed' ? name : `${name} (${change})`;
  });
  const more = differences.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}
