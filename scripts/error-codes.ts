// docs/errors.md is made from the error-codes.ts of each folder: `node scripts/error-codes.ts --write` writes it. Without
// --write it prints it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { declaredCodes, errorsPage, errorsPageOf } from '../test/tidy/house/error-codes.ts';
import { houseFiles, root } from '../test/tidy/house/source.ts';

const text = errorsPageOf(declaredCodes(houseFiles()));
if (process.argv.includes('--write')) writeFileSync(join(root, errorsPage), text);
else process.stdout.write(text);
