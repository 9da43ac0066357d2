import type { CommandShape } from '../command-shapes.ts';
import { argumentKind, kindOf } from './words.ts';

/** In single quotes for fish, which knows two escapes there. */
const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** A completion script for fish 3 or later. */
export function fishCompletion(shapes: readonly CommandShape[]): string {
  const [program] = shapes;
  if (program === undefined) return '';
  const paths = shapes.filter(({ path }) => path.length > 0).map(({ path }) => fishQuoted(path.join(' ')));
  return `# fish completion for quorate: quorate completion fish | source
function __quorate_path
    set -l at ''
    for word in (commandline -opc)[2..]
        test $word = --; and echo --; and return
        set -l next (string trim "$at $word")
        contains -- $next ${paths.join(' ')}; and set at $next
    end
    echo $at
end
function __quorate_at
    test (__quorate_path) = "$argv[1]"
end
complete -c quorate -f
complete -c quorate -n '__quorate_at --' -F
${shapes.flatMap((shape) => linesOf(shape, shape === program)).join('\n')}
`;
}

function linesOf(shape: CommandShape, isProgram: boolean): string[] {
  const at = `-n ${fishQuoted(`__quorate_at ${fishQuoted(shape.path.join(' '))}`)}`;
  // Options of the whole program stand anywhere.
  const where = isProgram ? '' : ` ${at}`;
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
