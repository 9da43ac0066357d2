import { type CommandShape, globalOptions, type OptionShape, type Shapes } from './command-shapes.ts';

/** The man pages of the program and its commands (man(7)), by file name. No date: the same commands give the same pages. */
export function manPages(shapes: Shapes, version: string): Map<string, string> {
  return new Map(shapes.map((shape) => [`${nameOf(shape.path)}.1`, pageOf(shape, shapes, version)]));
}

const nameOf = (path: readonly string[]): string => ['quorate', ...path].join('-');

/** Escapes a backslash and a hyphen, which mean something to roff. */
const escaped = (text: string): string =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...');

/** Text of a page: a dot or an apostrophe at the start of a line means something to roff too. */
const roff = (text: string): string =>
  escaped(text)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line))
    .join('\n');

const bold = (text: string): string => `\\fB${roff(text)}\\fR`;
const italic = (text: string): string => `\\fI${roff(text)}\\fR`;

function pageOf(shape: CommandShape, shapes: Shapes, version: string): string {
  const [program] = shapes;
  const name = nameOf(shape.path);
  const summary =
    shape === program ? 'continuous integration on machines nobody has to trust' : shape.summary;
  const sections = [
    `.TH ${name.toUpperCase()} 1 "" "quorate ${version}" "Quorate"`,
    `.SH NAME\n${roff(name)} \\- ${roff(summary)}`,
    `.SH SYNOPSIS\n${synopsis(shape)}`,
    `.SH DESCRIPTION\n${paragraphs(shape.description)}`,
    ...section(
      'ARGUMENTS',
      shape.arguments.map(({ name: of, description }) => item(italic(of), description)),
    ),
    ...section(
      'COMMANDS',
      shape.commands.map((child) => item(bold(child.name), child.summary)),
    ),
    ...section('OPTIONS', shape.options.map(option)),
    ...(shape === program ? ends() : section('GLOBAL OPTIONS', globalOptions(shape, program).map(option))),
    ...(shape.examples.length === 0
      ? []
      : [`.SH EXAMPLES\n.nf\n${shape.examples.map((line) => `$ ${exact(line)}`).join('\n')}\n.fi`]),
    `.SH SEE ALSO\n${seeAlso(shape)}`,
  ];
  return `${sections.join('\n')}\n`;
}

/** A line that is copied: its spaces stay. */
const exact = (line: string): string => escaped(line).replaceAll("'", '\\(aq');

const section = (title: string, items: string[]): string[] =>
  items.length === 0 ? [] : [`.SH ${title}\n${items.join('\n')}`];
const item = (term: string, description: string): string => `.TP\n${term}\n${roff(description)}`;

function paragraphs(text: string): string {
  return text
    .split('\n\n')
    .map((part) =>
      /^\S+.* {2,}\S/m.test(part) ? `.nf\n${part.split('\n').map(exact).join('\n')}\n.fi` : roff(part),
    )
    .join('\n.PP\n');
}

function option({ short, long, value, optional, description }: OptionShape): string {
  const names = [short ?? [], long].flat().map(bold).join(', ');
  const shown = value === undefined ? '' : optional ? ` [${italic(value)}]` : ` ${italic(value)}`;
  return item(`${names}${shown}`, description);
}

function synopsis(shape: CommandShape): string {
  const words = shape.arguments.map(({ name, required, variadic }) => {
    const word = `${italic(name)}${variadic ? ' ...' : ''}`;
    return required ? word : `[${word}]`;
  });
  const command = bold(['quorate', ...shape.path].join(' '));
  const child = shape.commands.length > 0 ? [italic('command')] : [];
  return [command, `[${italic('options')}]`, ...child, ...words].join(' ');
}

const environment = {
  QUORATE_HOME: 'the home folder, where --home does not name it',
  QUORATE_PRIVATE_HOSTS:
    'servers at private addresses, as HOST:PORT with commas between them, that lock files and registries may lead to',
  QUORATE_DEBUG: 'errors are printed with their stack',
  NO_COLOR: 'no colours',
};

/** Sections that hold for every command: its exit status and what it reads. */
const ends = (): string[] => [
  '.SH EXIT STATUS',
  ...[
    ['0', 'done'],
    ['1', 'the answer is no: the build failed, the artifact is not trusted, operators disagree'],
    ['2', 'used wrongly'],
    ['3', 'this machine or the network cannot'],
    ['4', 'done, and there is something to look at'],
    ['130', 'stopped by Ctrl-C'],
    ['141', 'nobody read the answer'],
  ].map(([code = '', says = '']) => item(bold(code), says)),
  '.SH ENVIRONMENT',
  ...Object.entries(environment).map(([name, says]) => item(bold(name), says)),
];

function seeAlso({ path, commands }: CommandShape): string {
  const near = [
    ...(path.length === 0 ? [] : [path.slice(0, -1)]),
    ...commands.map(({ name }) => [...path, name]),
  ];
  return near.map((to) => `${bold(nameOf(to))}(1)`).join(',\n');
}
