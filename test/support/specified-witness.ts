import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeKey } from '../../src/identity/keys.ts';
import { joseVerifier } from '../../src/identity/verifier.ts';
import { formatNoteKey, noteKinds, parseNoteKey } from '../../src/protocol/documents/index.ts';
import { openCheckpoint, verifyConsistency } from '../../src/protocol/transparency/index.ts';

const refusal = (status: number, text = 'no\n') => ({ status, text });

/** A witness of C2SP tlog-witness, for one log: checks what it is shown, and signs what goes on from what it signed before. */
export class SpecifiedWitness {
  readonly key: string;
  readonly #name: string;
  readonly #signer: NodeKey;
  #log: { project: string; log: string } | undefined;
  #last = { size: 0, root: '' };
  /** Answers with 503 while it is true. */
  down = false;

  constructor(name: string, signer: NodeKey) {
    this.#name = name;
    this.#signer = signer;
    this.key = formatNoteKey(name, noteKinds.cosignature, signer.id);
  }

  addLog(project: string, log: string): void {
    this.#log = { project, log };
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const isCall = request.method === 'POST' && request.url === '/add-checkpoint';
    const asked = Buffer.concat(chunks).toString();
    const { status, text } = this.down || !isCall ? refusal(503) : await this.#judge(asked);
    response.writeHead(status).end(text);
  }

  async #judge(asked: string): Promise<{ status: number; text: string }> {
    const at = asked.indexOf('\n\n');
    const [first = '', ...hashes] = asked.slice(0, at).split('\n');
    const old = Number(/^old (\d+)$/.exec(first)?.[1]);
    const note = asked.slice(at + 2);
    if (this.#log === undefined) return refusal(404);
    const opened = await openCheckpoint(note, this.#log, joseVerifier).catch(() => undefined);
    if (opened === undefined) return refusal(403);
    const { size, root, body } = opened;
    if (old > size) return refusal(400);
    if (old !== this.#last.size) return refusal(409, `${this.#last.size}\n`);
    const path = hashes.map((hash) => Buffer.from(hash, 'base64').toString('hex'));
    const proof = { from: old, fromRoot: this.#last.root, to: size, toRoot: root, path };
    if (old > 0 && !verifyConsistency(proof)) return refusal(422);
    this.#last = { size, root };
    const time = Math.floor(Date.now() / 1000);
    const signature = await this.#signer.signer.raw(Buffer.from(`cosignature/v1\ntime ${time}\n${body}`));
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(BigInt(time));
    const line = Buffer.concat([parseNoteKey(this.key).keyId, stamp, signature]).toString('base64');
    return { status: 200, text: `\u2014 ${this.#name} ${line}\n` };
  }
}
