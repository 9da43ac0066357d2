import type { NodeKey } from '../../src/identity/keys.ts';
import { fromUtf8 } from '../../src/protocol/base/text.ts';
import {
  type Bundle,
  encodeBundle,
  encodeCanonical,
  fromBase64,
  fromBase64Url,
  toBase64,
  toBase64Url,
} from '../../src/protocol/documents/index.ts';
import { MerkleTree, signCheckpoint, witnessCheckpoint } from '../../src/protocol/transparency/index.ts';
import { at, noteOf, type Project, trusted } from '../support/project.ts';
import {
  edits,
  envelopeBy,
  envelopeWith,
  jwsWith,
  type Mutant,
  messagesOf,
  openEnvelope,
  openJws,
  resigned,
  signatureEdits,
  statementsOf,
} from './mutants.ts';

type Json = ReturnType<typeof openJws>['payload'];

/** Fields of the bundle itself, lists of documents, log entries and proofs; and the job, which is no signed document. */
export function bundleMutants(bundle: Bundle): Mutant[] {
  const whole = bundle as unknown as Json;
  const found: Mutant[] = [];
  for (const { field, value } of edits(whole, 'one'))
    found.push({ group: 'bundle', field, changed: encodeBundle(value as unknown as Bundle) });
  for (const { field, value } of edits(JSON.parse(bundle.job), 'all')) {
    found.push({ group: 'job', field, changed: { ...bundle, job: fromUtf8(encodeCanonical(value)) } });
  }
  return found;
}

/** One bit of the file flipped, at places spread over all of it. */
export function byteMutants(text: string, count: number): Mutant[] {
  return Array.from({ length: count }, (_, i) => {
    const place = Math.floor((text.length * i) / count);
    const other = String.fromCharCode(text.charCodeAt(place) ^ 1);
    return {
      group: 'byte',
      field: String(place),
      changed: text.slice(0, place) + other + text.slice(place + 1),
    };
  });
}

/**
 * Each JWS: header, payload and signature changed under the old signature; signed by a stranger; and, but for the
 * charter, changed and signed again with the key that signed it: what a thief of that one key can do. (A thief of the
 * root key owns the project.)
 */
export async function messageMutants(
  bundle: Bundle,
  keys: readonly NodeKey[],
  stranger: NodeKey,
): Promise<Mutant[]> {
  const found: Mutant[] = [];
  const seen = new Set<string>();
  for (const { name, raw, put } of messagesOf(bundle)) {
    const add = (kind: string, field: string, other: string) =>
      found.push({ group: `${kind} ${name}`, field, changed: put(other) });
    const { header, payload, signature } = openJws(raw);
    const { kid } = header as { kid: string };
    for (const { field, value } of edits(header, seen.has(name) ? 'one' : 'all'))
      add('header', field, jwsWith(value, payload, signature));
    for (const { field, value } of edits(payload, seen.has(name) ? 'leaves' : 'one'))
      add('payload', field, jwsWith(header, value, signature));
    for (const { how, bytes } of signatureEdits(fromBase64Url(signature, 'signature')))
      add('signature', how, jwsWith(header, payload, toBase64Url(bytes)));
    const forged = await resigned(raw, { ...(payload as object), iss: stranger.id }, stranger);
    add('stranger', 'as itself', forged);
    add(
      'stranger',
      'as the signer',
      jwsWith(header, payload, openJws(await resigned(raw, payload, stranger)).signature),
    );
    const own = keys.find((key) => key.id === kid);
    if (own === undefined || name === 'charter') continue;
    for (const { field, value } of edits(payload, seen.has(name) ? 'leaves' : 'likely'))
      add('thief', field, await resigned(raw, value, own));
    seen.add(name);
  }
  return found;
}

/** The same for the DSSE envelopes; the verdict is signed again by the controller, without and with a co-signature. */
export async function statementMutants(
  bundle: Bundle,
  keys: readonly NodeKey[],
  stranger: NodeKey,
): Promise<Mutant[]> {
  const found: Mutant[] = [];
  const seen = new Set<string>();
  for (const { name, raw, put } of statementsOf(bundle)) {
    const add = (kind: string, field: string, other: string) =>
      found.push({ group: `${kind} ${name}`, field, changed: put(other) });
    const open = openEnvelope(raw);
    const { payload, ...around } = open;
    for (const { field, value } of edits(around as unknown as Json, seen.has(name) ? 'one' : 'all'))
      add('envelope', field, envelopeWith({ ...(value as unknown as typeof open), payload }));
    for (const { field, value } of edits(payload, seen.has(name) ? 'leaves' : 'one'))
      add('payload', field, envelopeWith({ ...open, payload: value }));
    for (const [i, { keyid, sig }] of open.signatures.entries()) {
      for (const { how, bytes } of signatureEdits(fromBase64(sig, 'signature'))) {
        const signatures = open.signatures.with(i, { keyid, sig: toBase64(bytes) });
        add('signature', `${i} ${how}`, envelopeWith({ ...open, signatures }));
      }
    }
    add('stranger', 'alone', await envelopeBy(payload, [stranger], open.payloadType));
    const own = open.signatures.flatMap(({ keyid }) => keys.filter(({ id }) => id === keyid));
    add('stranger', 'besides', await envelopeBy(payload, [...own, stranger], open.payloadType));
    const [thief] = own;
    if (thief === undefined) continue;
    for (const { field, value } of edits(payload, seen.has(name) ? 'leaves' : 'likely'))
      add('thief', field, await envelopeBy(value, [thief], open.payloadType));
    if (name === 'verdict') {
      for (const { field, value } of edits(payload, 'likely'))
        add('thieves', field, await envelopeBy(value, own, open.payloadType));
    }
    seen.add(name);
  }
  return found;
}

/** Lines of the checkpoint, and checkpoints the log's own key signed over another tree. */
export async function checkpointMutants(made: Project, log: NodeKey, stranger: NodeKey): Promise<Mutant[]> {
  const { bundle, leaves } = made;
  const found: Mutant[] = [];
  const add = (field: string, checkpoint: string, more: Partial<Bundle> = {}) =>
    found.push({ group: 'checkpoint', field, changed: { ...bundle, checkpoint, ...more } });
  const [origin = '', size = '', root = '', , own = '', witness = ''] = bundle.checkpoint.split('\n');
  const note = (lines: string[], signatures: string[]) => `${lines.join('\n')}\n\n${signatures.join('\n')}\n`;
  const body = [origin, size, root];
  add('origin', note([`${origin}x`, size, root], [own, witness]));
  for (const other of [Number(size) + 1, Number(size) - 1, 0, `0${size}`, `-${size}`, '1e3', ''])
    add('size', note([origin, String(other), root], [own, witness]));
  for (const other of [toBase64(fromBase64(root, 'root').map((b) => b ^ 1)), 'AAAA', ''])
    add('root', note([origin, size, other], [own, witness]));
  add('line more', note([...body, 'more'], [own, witness]));
  add('line less', note([origin, size], [own, witness]));
  add('log line dropped', note(body, [witness]));
  add('witness line dropped', note(body, [own]));
  add('no line', `${body.join('\n')}\n\n`);
  add('lines swapped', note(body, [witness, own]));
  add('lines doubled', note(body, [own, own, witness, witness]));
  add(
    "stranger's witness line added",
    note(body, [own, witness, (await witnessCheckpoint(bundle.checkpoint, stranger.signer, at)).trim()]),
  );
  add("unknown log's line added", note(body, [own, witness, own.replace(origin, 'other/log')]));
  add(
    "stranger's witness line instead",
    note(body, [own, (await witnessCheckpoint(bundle.checkpoint, stranger.signer, at)).trim()]),
  );
  const spoilt = (line: string) => {
    const words = line.split(' ');
    const bytes = fromBase64(words[2] ?? '', 'line');
    return signatureEdits(bytes.slice(-64)).map(({ how, bytes: signature }) => ({
      how,
      line: [words[0], words[1], toBase64(Uint8Array.from([...bytes.slice(0, -64), ...signature]))].join(' '),
    }));
  };
  for (const { how, line } of spoilt(own)) add(`log signature: ${how}`, note(body, [line, witness]));
  for (const { how, line } of spoilt(witness)) add(`witness signature: ${how}`, note(body, [own, line]));
  const [dash, name, base64 = ''] = witness.split(' ');
  const later = fromBase64(base64, 'line');
  add(
    'witness time',
    note(body, [own, [dash, name, toBase64(later.with(11, (later[11] ?? 0) ^ 1))].join(' ')]),
  );
  add("witness line under another's name", note(body, [own, [dash, stranger.id, base64].join(' ')]));
  // The log's key was stolen: it signs a shorter tree, and one in which the first receipt was never there.
  for (const [what, other] of [
    ['shorter', leaves.slice(0, -1)],
    ['longer', [...leaves, 'verdict of somebody']],
    ['rewritten', leaves.map((leaf, i) => (i === 3 ? `${leaf} ` : leaf))],
  ] as const) {
    const tree = new MerkleTree(other);
    const signed = await noteOf(tree, log);
    add(`log rewritten: ${what}`, signed);
    const entries = bundle.entries
      .filter(({ index }) => index < tree.size)
      .map((entry) => ({ ...entry, leaf: other[entry.index] ?? '', path: tree.inclusion(entry.index) }));
    add(`log rewritten with proofs: ${what}`, signed, { entries });
  }
  const forged = await signCheckpoint([...body, ''].join('\n'), stranger.signer);
  add("stranger's checkpoint", forged + (await witnessCheckpoint(forged, trusted.signer, at)));
  return found;
}
