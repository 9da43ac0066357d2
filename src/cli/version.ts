import { version as versionOf } from '../program.ts';
import { type Define, examples } from '../terminal/context.ts';
import { exits } from '../terminal/exit-codes.ts';

export const version: Define = (program, act) => {
  program
    .command('version')
    .summary('print the version')
    .description('Prints the version of Quorate and of the Node that runs it.')
    .addHelpText('after', examples('quorate version'))
    .action(
      act(({ out }) => {
        const node = process.version.slice(1);
        out.value({ version: versionOf(), node });
        out.say(`quorate ${versionOf()} (Node ${node})`);
        return exits.done;
      }),
    );
};
