import type { CommandShape } from '../command-shapes.ts';
import { allOptions, argumentKind, kindOf, quoted, type ValueKind } from './words.ts';

const actions: Record<ValueKind, string> = {
  file: 'compopt -o default',
  folder: 'compopt -o dirnames',
  none: ':',
};

/** A completion script for bash 4.4 or later. */
export function bashCompletion(shapes: readonly CommandShape[]): string {
  const [program] = shapes;
  if (program === undefined) return '';
  const paths = shapes.filter(({ path }) => path.length > 0).map(({ path }) => path.join(' '));
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
${paths.map((path) => `      ${quoted(path)}) path=${quoted(path)} ;;`).join('\n')}
    esac
  done
  case $path in
${shapes.map((shape) => branch(shape, program)).join('\n')}
  esac
  for word in $values; do
    if [[ \${COMP_WORDS[COMP_CWORD - 1]} == "\${word%%=*}" ]]; then
      case \${word#*=} in
        file) ${actions.file} ;;
        folder) ${actions.folder} ;;
      esac
      return
    fi
  done
  if [[ $cur != -* ]]; then
    case $kind in
      file) ${actions.file} ;;
      folder) ${actions.folder} ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _quorate quorate
`;
}

/** The words that may follow a path, and what completes the value of each option that has one. */
function branch(shape: CommandShape, program: CommandShape): string {
  const options = allOptions(shape, program);
  const names = options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]));
  const words = [...shape.commands.map(({ name }) => name), ...names];
  const values = options.flatMap(({ short, long, value }) =>
    value === undefined
      ? []
      : [short, long].flatMap((name) => (name === undefined ? [] : [`${name}=${kindOf(value)}`])),
  );
  const kind = argumentKind(shape);
  const lines = [
    `      words=${quoted(words.join(' '))}`,
    ...(values.length === 0 ? [] : [`      values=${quoted(values.join(' '))}`]),
    ...(kind === 'none' ? [] : [`      kind=${kind}`]),
  ];
  return `    ${quoted(shape.path.join(' '))})\n${lines.join('\n')}\n      ;;`;
}
