import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const messages = 'src/protocol/wire/messages.ts';
const looked = /^(src|sandbox|bootstrap|simulations)\//;
const rooms = /^src\/(protocol\/(sessions|wire)|[a-z-]+\/sessions)\//;

/** Files outside of the sessions that may know the messages, each with the reason. */
const excused: Record<string, string> = {
  'simulations/adversary.ts': 'says other messages than the sessions do: it lies',
  'simulations/hijacker.ts': 'asks what no controller of the product asks',
  'simulations/scale/frames.ts': 'counts the bytes of the messages',
  'src/http/openapi.ts': 'describes the bodies of the HTTP feed',
  'src/http/verify-page/browser/knowledge.ts': 'reads the bodies of the HTTP feed',
  'src/member/client.ts': 'passes on the questions and answers of the API',
  'src/member/following.ts': 'passes on the questions and answers of the API',
  'src/controller/node/public-view.ts': 'hands the notices to the HTTP feed',
  'src/http/views.ts': 'types of the HTTP feed',
  'src/node/membership/credentials.ts': 'passes on the questions and answers of the API',
};

/**
 * Protocol code outside of `src/protocol/sessions`: an import of the message schemas or types. An excuse that is not needed is a
 * finding too, so that the list only shrinks.
 */
export function protocolCode(sources: readonly Source[]): Finding[] {
  const findings: Finding[] = [];
  for (const source of sources) {
    const { path, text } = source;
    if (!isCode(path) || !looked.test(path) || rooms.test(path)) continue;
    const found = importsOf(source).filter(
      ({ specifier }) => specifier.startsWith('.') && posix.join(posix.dirname(path), specifier) === messages,
    );
    if (excused[path] === undefined) {
      const message = 'messages of the protocols belong to src/protocol/sessions';
      for (const { offset } of found)
        findings.push({ rule: 'protocol-code', path, line: lineAt(text, offset), message });
    } else if (found.length === 0) {
      const message = 'imports no messages: take it off the list in test/tidy/house/protocol-code.ts';
      findings.push({ rule: 'protocol-code', path, line: 1, message });
    }
  }
  return findings;
}
