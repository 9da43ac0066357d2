import { posix } from 'node:path';
import { type Finding, importsOf, isCode, lineAt, type Source } from './source.ts';

const messages = 'src/core/wire/messages.ts';
const looked = /^(src|sandbox|bootstrap|simulations)\//;
const rooms = /^src\/core\/(sessions|wire)\//;

/** Files outside of the sessions that may know the messages, each with the reason. */
const excused: Record<string, string> = {
  'src/core/controller/view.ts': 'makes the summary of a run that the API answers with',
  'src/runtime/artifacts/bundles.ts': 'serves and fetches bundles: one request, one answer',
  'src/runtime/client/client.ts': 'asks the API',
  'src/runtime/membership/credentials.ts': 'asks the API for a grant',
  'src/runtime/node/message-stream.ts': 'encodes and decodes any message on a libp2p stream',
  'src/runtime/controller/api.ts': 'not in the sessions yet',
  'src/runtime/controller/context.ts': 'not in the sessions yet',
  'src/runtime/controller/feed.ts': 'not in the sessions yet',
  'src/runtime/controller/leases.ts': 'not in the sessions yet',
  'src/runtime/controller/live-logs.ts': 'not in the sessions yet',
  'src/runtime/controller/log-api.ts': 'not in the sessions yet',
  'src/runtime/controller/node.ts': 'not in the sessions yet',
  'src/runtime/controller/public-view.ts': 'not in the sessions yet',
  'src/runtime/worker/build-log.ts': 'not in the sessions yet',
  'src/runtime/worker/feed.ts': 'not in the sessions yet',
  'src/runtime/worker/http-feed.ts': 'not in the sessions yet',
  'src/runtime/worker/leases.ts': 'not in the sessions yet',
};

/**
 * Protocol code outside of `src/core/sessions`: an import of the message schemas or types. An excuse that is not needed is a
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
      const message = 'messages of the protocols belong to src/core/sessions';
      for (const { offset } of found)
        findings.push({ rule: 'protocol-code', path, line: lineAt(text, offset), message });
    } else if (found.length === 0) {
      const message = 'imports no messages: take it off the list in test/tidy/house/protocol-code.ts';
      findings.push({ rule: 'protocol-code', path, line: 1, message });
    }
  }
  return findings;
}
