import { Argument } from 'commander';
import { shellWord } from '../../protocol/base/shell-word.ts';
import { type Define, defineCommand } from '../../terminal/context.ts';
import { exits } from '../../terminal/exit-codes.ts';
import {
  type CommandShape,
  globalOptions,
  type OptionShape,
  type Shapes,
  shapesOf,
} from '../command-shapes.ts';

/** Kind of path that the shell offers for the value of an option or an argument. */
type ValueKind = 'file' | 'folder' | 'none';

/** By the placeholder: `<folder>`, `<file>`, `<job file>`. */
function kindOf(placeholder: string): ValueKind {
  if (/^(folder|dir|home)/.test(placeholder)) return 'folder';
  return /(file|path|bundle|cid\/path|a|b)$/.test(placeholder) ? 'file' : 'none';
}

function argumentKind(shape: CommandShape): ValueKind {
  const kinds = shape.arguments.map(({ name }) => (name === 'repo' ? 'folder' : kindOf(name)));
  return kinds.includes('file') ? 'file' : kinds.includes('folder') ? 'folder' : 'none';
}

const pathOf = ({ path }: CommandShape): string => path.join(' ');

const namesOf = ({ short, long }: OptionShape): string[] => (short === undefined ? [long] : [short, long]);

/** `--output=folder`: the kind of each option that has a value. */
const valuesOf = (options: readonly OptionShape[]): string[] =>
  options.flatMap((option) => {
    const { value } = option;
    return value === undefined ? [] : namesOf(option).map((name) => `${name}=${kindOf(value)}`);
  });

/** Arms of a `case` that keep in a variable which command the words so far name. */
const commandCases = (commands: readonly CommandShape[], variable: string): string =>
  commands
    .map((shape) => shellWord(pathOf(shape)))
    .map((path) => `      ${path}) ${variable}=${path} ;;`)
    .join('\n');

/** A completion script for bash 4.4 or later. */
export function bashCompletion(shapes: Shapes): string {
  const [program, ...commands] = shapes;
  return `# bash completion for quorate: source <(quorate completion bash)
_quorate() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path= word= values= words= kind=none i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == -- ]]; then
      compopt -o default
      return
    fi
    case "\${path:+$path }$word" in
${commandCases(commands, 'path')}
    esac
  done
  case $path in
${shapes.map((shape) => bashWords(shape, program)).join('\n')}
  esac
  for word in $values; do
    if [[ \${COMP_WORDS[COMP_CWORD - 1]} == "\${word%%=*}" ]]; then
      case \${word#*=} in
        file) compopt -o default ;;
        folder) compopt -o dirnames ;;
      esac
      return
    fi
  done
  if [[ $cur != -* ]]; then
    case $kind in
      file) compopt -o default ;;
      folder) compopt -o dirnames ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _quorate quorate
`;
}

function bashWords(shape: CommandShape, program: CommandShape): string {
  const options = [...shape.options, ...globalOptions(shape, program)];
  const words = [...shape.commands.map(({ name }) => name), ...options.flatMap(namesOf)];
  const values = valuesOf(options);
  const kind = argumentKind(shape);
  const lines = [
    `      words=${shellWord(words.join(' '))}`,
    ...(values.length === 0 ? [] : [`      values=${shellWord(values.join(' '))}`]),
    ...(kind === 'none' ? [] : [`      kind=${kind}`]),
  ];
  return `    ${shellWord(pathOf(shape))})\n${lines.join('\n')}\n      ;;`;
}

/** A completion script for zsh, as a function of `fpath` or read with `source`. */
export function zshCompletion(shapes: Shapes): string {
  const [program, ...commands] = shapes;
  return `#compdef quorate
# zsh completion for quorate: source <(quorate completion zsh)
_quorate() {
  local at= word= cur=\${words[CURRENT]} kind=none
  local -a commands options values
  integer i
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ $word == -- ]]; then
      _files
      return
    fi
    case "\${at:+$at }$word" in
${commandCases(commands, 'at')}
    esac
  done
  case $at in
${shapes.map((shape) => zshWords(shape, program)).join('\n')}
  esac
  for word in $values; do
    if [[ \${words[CURRENT - 1]} == \${word%%=*} ]]; then
      case \${word#*=} in
        file) _files ;;
        folder) _files -/ ;;
        *) _message value ;;
      esac
      return
    fi
  done
  if [[ $cur == -* ]]; then
    _describe -o option options
    return
  fi
  (( $#commands )) && _describe command commands
  case $kind in
    file) _files ;;
    folder) _files -/ ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _quorate "$@"
else
  compdef _quorate quorate
fi
`;
}

function zshWords(shape: CommandShape, program: CommandShape): string {
  const options = [...shape.options, ...globalOptions(shape, program)];
  const described = (name: string, about: string) =>
    shellWord(`${name}:${about.replaceAll('\\', '\\\\').replaceAll(':', '\\:')}`);
  const commands = shape.commands.map(({ name, summary }) => described(name, summary));
  const named = options.flatMap((option) =>
    namesOf(option)
      .reverse()
      .map((name) => described(name, option.description)),
  );
  return `    ${shellWord(pathOf(shape))})
      commands=(${commands.join(' ')})
      options=(${named.join(' ')})
      values=(${valuesOf(options).map(shellWord).join(' ')})
      kind=${argumentKind(shape)}
      ;;`;
}

/** In single quotes for fish, which knows two escapes there. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** A completion script for fish 3 or later. */
export function fishCompletion(shapes: Shapes): string {
  const [, ...commands] = shapes;
  return `# fish completion for quorate: quorate completion fish | source
function __quorate_path
    set -l at ''
    for word in (commandline -opc)[2..]
        test $word = --; and echo --; and return
        set -l next (string trim "$at $word")
        contains -- $next ${commands.map((shape) => fishQuoted(pathOf(shape))).join(' ')}; and set at $next
    end
    echo $at
end
function __quorate_at
    test (__quorate_path) = "$argv[1]"
end
complete -c quorate -f
complete -c quorate -n '__quorate_at --' -F
${shapes.flatMap((shape) => fishLines(shape)).join('\n')}
`;
}

function fishLines(shape: CommandShape): string[] {
  const at = `-n ${fishQuoted(`__quorate_at ${fishQuoted(pathOf(shape))}`)}`;
  // Options of the whole program stand anywhere.
  const where = shape.path.length === 0 ? '' : ` ${at}`;
  const kind = argumentKind(shape);
  return [
    ...(kind === 'none' ? [] : [`complete -c quorate ${at} -F`]),
    ...shape.commands.map(
      ({ name, summary }) => `complete -c quorate ${at} -a ${name} -d ${fishQuoted(summary)}`,
    ),
    ...shape.options.map(({ short, long, value, description }) => {
      const names = `${short === undefined ? '' : ` -s ${short.slice(1)}`} -l ${long.slice(2)}`;
      const takes = value === undefined ? '' : kindOf(value) === 'none' ? ' -x' : ' -r -F';
      return `complete -c quorate${where}${names}${takes} -d ${fishQuoted(description)}`;
    }),
  ];
}

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export const completion: Define = (program, act) =>
  defineCommand(program, 'completion', {
    summary: 'print a completion script for a shell',
    description:
      'Prints a script that completes commands, options and files of quorate. It is made from the commands of this version and starts no program.',
    examples: [
      'source <(quorate completion bash)',
      'quorate completion zsh > ~/.zfunc/_quorate',
      'quorate completion fish > ~/.config/fish/completions/quorate.fish',
    ],
  })
    .addArgument(new Argument('<shell>', 'which one').choices(Object.keys(scripts)))
    .action(
      act(({ out }, shell: keyof typeof scripts) => {
        const script = scripts[shell](shapesOf(program));
        out.value({ shell, script });
        out.print(script.trimEnd());
        return exits.done;
      }),
    );
