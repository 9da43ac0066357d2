import type { CommandShape } from '../command-shapes.ts';
import { allOptions, argumentKind, kindOf, quoted, type ValueKind } from './words.ts';

const actions: Record<ValueKind, string> = { file: '_files', folder: '_files -/', none: '_message value' };

/** A completion script for zsh, as a function of `fpath` or read with `source`. */
export function zshCompletion(shapes: readonly CommandShape[]): string {
  const [program] = shapes;
  if (program === undefined) return '';
  const paths = shapes.filter(({ path }) => path.length > 0).map(({ path }) => path.join(' '));
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
${paths.map((path) => `      ${quoted(path)}) at=${quoted(path)} ;;`).join('\n')}
    esac
  done
  case $at in
${shapes.map((shape) => branch(shape, program)).join('\n')}
  esac
  for word in $values; do
    if [[ \${words[CURRENT - 1]} == \${word%%=*} ]]; then
      case \${word#*=} in
        file) ${actions.file} ;;
        folder) ${actions.folder} ;;
        *) ${actions.none} ;;
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
    file) ${actions.file} ;;
    folder) ${actions.folder} ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _quorate "$@"
else
  compdef _quorate quorate
fi
`;
}

const described = (name: string, about: string): string =>
  quoted(`${name}:${about.replaceAll('\\', '\\\\').replaceAll(':', '\\:')}`);

function branch(shape: CommandShape, program: CommandShape): string {
  const options = allOptions(shape, program);
  const named = options.flatMap(({ short, long, description }) =>
    [long, short].flatMap((name) => (name === undefined ? [] : [described(name, description)])),
  );
  const values = options.flatMap(({ short, long, value }) =>
    value === undefined
      ? []
      : [short, long].flatMap((name) => (name === undefined ? [] : [quoted(`${name}=${kindOf(value)}`)])),
  );
  const commands = shape.commands.map(({ name, summary }) => described(name, summary));
  return `    ${quoted(shape.path.join(' '))})
      commands=(${commands.join(' ')})
      options=(${named.join(' ')})
      values=(${values.join(' ')})
      kind=${argumentKind(shape)}
      ;;`;
}
