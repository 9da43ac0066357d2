import { Argument } from 'commander';
import { type Define, examples } from '../../terminal/context.ts';
import { exits } from '../../terminal/exit-codes.ts';
import { shapesOf } from '../command-shapes.ts';
import { bashCompletion } from './bash.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };
type Shell = keyof typeof scripts;

export const completion: Define = (program, act) => {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description(
      'Prints a script that completes commands, options and files of quorate. It is made from the commands of this version and starts no program.',
    )
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      examples(
        'source <(quorate completion bash)',
        'quorate completion zsh > ~/.zfunc/_quorate',
        'quorate completion fish > ~/.config/fish/completions/quorate.fish',
      ),
    )
    .action(
      act(({ out }, shell: Shell) => {
        const script = scripts[shell](shapesOf(program));
        out.value({ shell, script });
        out.say(script.trimEnd());
        return exits.done;
      }),
    );
};
