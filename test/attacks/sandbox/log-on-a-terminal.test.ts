import { chmod, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { Person } from '../../bad-input/support/person.ts';
import { git } from '../../e2e/support/git.ts';
import { jobFile } from '../../e2e/support/jobs.ts';

/** As printf reads them: each does something to a terminal that shows them. */
const sequences = {
  'clears it': '\\033[2J\\033[H',
  'sets its title': '\\033]0;owned\\007',
  'asks it to answer as if typed': '\\033[6n\\033[c\\005',
  'writes its clipboard': '\\033]52;c;b3duZWQ=\\007',
  'hides what follows': '\\033[8m',
  'uses the other screen': '\\033[?1049h',
  'the same in one byte of Unicode': '\\302\\2332J',
  'the same in one byte of none': '\\2332J',
  'overwrites what was before': 'good\\rbad\\010\\010\\010',
  'turns text around': '\\342\\200\\256evil',
  'links elsewhere': '\\033]8;;http://evil.example\\033\\134here\\033]8;;\\033\\134',
  'deletes and beeps': '\\177\\007\\016',
};

/** Bold, dim and the colours: what the command itself says to a terminal. */
const ESC = String.fromCharCode(27);
const own = new RegExp(`${ESC}\\[(?:0|1|2|22|3\\d|39|9\\d)m`, 'g');

it('draws nothing on the terminal of who watches it, and does not answer for them', async () => {
  const person = await Person.arrive();
  const dir = person.at('folder');
  const run = Object.values(sequences).map((sequence) => `printf 'here ${sequence}there\\n'`);
  await writeFile(`${dir}/quorate.yaml`, jobFile({ run: [...run, 'exit 3'] }));
  await git(dir, 'init', '-q', '-b', 'main');
  // A terminal of its own: what is printed to one may be coloured.
  const inTerminal = person.at('in-terminal');
  await writeFile(
    inTerminal,
    `#!/bin/sh
for word do words="$words '$word'"; done
exec script -qec "$words" /dev/null < /dev/null
`,
  );
  await chmod(inTerminal, 0o755);
  const { out, report } = await person.run(['try'], { within: [inTerminal], ms: 28_000 });
  expect(out.split('here ').length, report).toBeGreaterThan(Object.keys(sequences).length);
  const rest = out.replaceAll('\r\n', '\n').replaceAll(own, '');
  expect([...rest].filter((char) => /[\p{Cc}\p{Cf}]/u.test(char) && char !== '\n')).toEqual([]);
  for (const shown of ['\\x1b[2J', '\\x1b[6n']) expect(rest).toContain(shown);
});
