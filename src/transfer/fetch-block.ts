import type { CID } from 'multiformats/cid';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { CarDecoder, type VerifiedBlock } from './decode.ts';
import { TransferFailed } from './fetch.ts';
import { encodeRequest } from './frames.ts';
import { transferLimits } from './limits.ts';
import type { BlockSink, FetchResult, Pipe, Provider } from './types.ts';

/**
 * Fetches one block and nothing that it links to, from the first provider that gives it. A block that is here is not requested.
 * @throws TRANSFER_FAILED when none gave it; STORE_TREE_MALFORMED, STORE_CID_REFUSED; STORE_DISK_FULL; the signal's reason
 */
export async function fetchBlock(
  cid: CID,
  sink: BlockSink,
  providers: readonly Provider[],
  { signal }: { signal: AbortSignal },
): Promise<void> {
  if (sink.touch(cid) !== undefined) return;
  const dropped: FetchResult['dropped'] = [];
  for (const { peer, open } of providers) {
    const within = AbortSignal.any([signal, AbortSignal.timeout(transferLimits.idleSecondsMax * 1000)]);
    try {
      const { bytes } = await askedOf(await open(within), cid, sink, within);
      // It may share memory with the message that it came in.
      await sink.put(cid, Uint8Array.from(bytes));
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof QuorateError && error.code.startsWith('STORE_')) throw error;
      const code = error instanceof QuorateError ? error.code : '';
      dropped.push({ peer, code, message: messageOf(error) });
    }
  }
  throw new TransferFailed(cid, dropped, undefined);
}

async function askedOf(pipe: Pipe, cid: CID, sink: BlockSink, signal: AbortSignal): Promise<VerifiedBlock> {
  try {
    const decoder = new CarDecoder([{ cid, depth: 0 }], (of, bytes) => sink.links(of, bytes));
    // An archive ends after the block that reaches the bytes asked for.
    await pipe.send(encodeRequest([cid], 1));
    for (;;) {
      const message = await pipe.receive({ signal });
      if (message === undefined || message.length === 0)
        throw new QuorateError('TRANSFER_BLOCK_MISSING', `the peer does not have ${cid}`, {
          hint: 'Ask another peer.',
        });
      decoder.push(message);
      const block = decoder.next();
      if (block !== undefined) return block;
    }
  } finally {
    pipe.abort(new QuorateError('TRANSFER_ENDED', 'the fetch has ended'));
  }
}
