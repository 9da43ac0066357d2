import { resolve } from 'node:path';
import { QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Context } from '../../terminal/context.ts';
import { type Exit, exits } from '../../terminal/exit-codes.ts';
import { readText } from './bundle-file.ts';

/**
 * Checks evidence that the log of a project tells two stories, offline, and keeps what holds in this home: `fetch` and `verify`
 * refuse what rests on that log from then on. Errors: `CLI_FILE_…`, `KEY_INVALID`, `HOME_…`.
 */
export async function sayEquivocation(
  { cwd, home, out }: Context,
  file: string,
  project: string,
): Promise<Exit> {
  const { publicKeyOf } = await import('../../protocol/documents/index.ts');
  const { checkEquivocation } = await import('../../protocol/trust/index.ts');
  const { joseVerifier } = await import('../../identity/verifier.ts');
  const { openRevocationBook } = await import('../../node/membership/revocation-file.ts');
  publicKeyOf(project);
  const text = await readText(
    resolve(cwd, file),
    'Name the file that a worker wrote: revocations/*-equivocation-1.json in its home.',
  );
  try {
    const book = await openRevocationBook(home, project, ({ message }) =>
      out.note(`What was learned of the log is not kept: ${message}`),
    );
    const { signers, ...proves } = await checkEquivocation(text, project, joseVerifier, book.ended);
    await book.learn({ charters: [], revocations: [], equivocations: [text] });
    out.value({ ok: true, code: null, ...proves });
    out.say(
      out.colours.red('The log of this project tells two stories.'),
      `  ${escapeLine(proves.says, 2000)}.`,
      proves.lines === 2
        ? '  Nothing under that log key counts, until the root key names another one in the charter.'
        : '  What has no line of a trusted worker does not count, until the root key names another log key in the charter.',
    );
    return exits.done;
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code.startsWith('HOME_')) throw error;
    out.value({ ok: false, code: error.code, says: error.message });
    out.say(`This proves nothing against the log: ${escapeLine(error.message, 1000)} [${error.code}].`);
    return exits.no;
  }
}
