import { QuorateError } from '../../../src/core/errors.ts';
import { NoAnswer } from '../../../src/dependencies/fetch/get.ts';
import { decodeCrateIndex, decodeFileList } from '../../../src/dependencies/fetch/registry-lists.ts';
import { mutatedText } from '../arbitraries.ts';
import { type AnyTarget, define, must } from '../target.ts';

const where = 'https://packages.example/simple/thing/';

/** As the fetcher says it of a registry that answers with something else. */
function accepted(decode: () => string[]): string[] {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new QuorateError('DEPENDENCIES_FETCH_FAILED', error.message);
  }
}

const target = (name: string, seeds: readonly string[], addresses: (text: string) => string[]): AnyTarget =>
  define<string>({
    name,
    seeds: async () => seeds,
    arbitrary: (all) =>
      mutatedText(all, ['file:///etc/passwd', '{crate}', '__proto__', '//packages.example']),
    run: (text) => {
      for (const url of accepted(() => addresses(text)))
        must(/^https?:/.test(url), 'an address that is not of the web');
    },
  });

export const targets: AnyTarget[] = [
  target('crate-index', ['{"dl":"https://packages.example/{crate}/{version}.crate"}'], (text) => [
    decodeCrateIndex(text, where),
  ]),
  target(
    'file-list',
    [`{"files":[{"filename":"a-1.whl","url":"../../a-1.whl","hashes":{"sha256":"${'12'.repeat(32)}"}}]}`],
    (text) => decodeFileList(text, where).map(({ url }) => url),
  ),
];
