import { joseVerifier } from '../../src/identity/verifier.ts';
import { toBase64, type Verifier } from '../../src/protocol/documents/index.ts';

/** The real verifier, asked once per question: most of a mutant is as it was. */
const answers = new Map<string, Promise<boolean>>();
function once(question: string, ask: () => Promise<boolean>): Promise<boolean> {
  const answer = answers.get(question) ?? ask();
  answers.set(question, answer);
  return answer;
}
export const verifier: Verifier = {
  jws: (compact, signer) => once(`${signer} ${compact}`, () => joseVerifier.jws(compact, signer)),
  raw: (message, signature, signer) =>
    once(`${signer} ${toBase64(signature)} ${toBase64(message)}`, () =>
      joseVerifier.raw(message, signature, signer),
    ),
};
