// Counts the files and the changes of folder on the walk of one job through the code (scripts/walk.txt), and says which of its functions are
// not where it has them. With --write it names the files of those that moved.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { houseFiles, root } from '../test/tidy/house/source.ts';
import { lostIn, measured, placesIn, walkFile } from '../test/tidy/house/walk.ts';

const file = join(root, walkFile);
const text = readFileSync(file, 'utf8');
const lines = text.split('\n');
for (const { line, path, name, elsewhere } of lostIn(placesIn(text), houseFiles())) {
  const [only, second] = elsewhere;
  if (process.argv.includes('--write') && only !== undefined && second === undefined) {
    lines[line - 1] = `${only} ${name}`;
    continue;
  }
  console.error(`${walkFile}:${line}: ${path} has no ${name}; elsewhere: ${elsewhere.join(', ') || 'none'}`);
  process.exitCode = 1;
}
if (process.argv.includes('--write')) writeFileSync(file, lines.join('\n'));
const { entries, files, changes, betweenRoles } = measured(placesIn(lines.join('\n')));
console.log(
  `${entries} functions in ${files} files; the folder changes ${changes} times, between roles ${betweenRoles} times`,
);
