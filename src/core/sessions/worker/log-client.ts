import { limits } from '../../limits.ts';
import { encodeMessage } from '../../wire/messages.ts';
import { protocols } from '../../wire/protocols.ts';
import type { Channel, Dial, PeerAddress } from '../ports.ts';

const openMsMax = 10_000;

/** Opens the live log of a lease at the controller. What is sent on the channel after that is log text. Errors: `MESH_…`. */
export async function openLog(dial: Dial, controller: PeerAddress, lease: string): Promise<Channel> {
  const channel = await dial(controller, protocols.log, {
    timeoutMs: openMsMax,
    maxMessageBytes: limits.documentBytesMax,
  });
  await channel.send(encodeMessage({ lease }));
  return channel;
}
