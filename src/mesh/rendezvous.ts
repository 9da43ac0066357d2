import { sha256 } from '@noble/hashes/sha2.js';
import { CID } from 'multiformats/cid';
import * as raw from 'multiformats/codecs/raw';
import { create } from 'multiformats/hashes/digest';

const SHA2_256 = 0x12;

/**
 * The DHT key under which members of a project announce themselves: the raw-codec sha256 CID of `quorate/project/<PeerId of the root
 * key>`.
 */
export function projectRendezvous(root: string): string {
  const digest = sha256(new TextEncoder().encode(`quorate/project/${root}`));
  return CID.createV1(raw.code, create(SHA2_256, digest)).toString();
}
