const meshErrors = {
  MESH_ADDRESS_INVALID:
    'This is not a usable peer address. Addresses look like `/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…`.',
  MESH_ARGUMENT_INVALID:
    'A program gave the mesh a key, PeerId, CID or topic that it cannot use; the message says which.',
  MESH_BUSY:
    'The peer took the connection and did not complete it: it is overloaded, or has as many new connections of one address as it takes. Commands ask it again for ten minutes, and say so. Try again later.',
  MESH_CLOSED: 'The channel was already closed on this side.',
  MESH_FULL:
    'The peer has as many connections as it may. Places for the owner of a project and for those who join are kept free. Commands ask it again for ten minutes, and say so. Try again later; the owner of a controller or store gives it more with `--connections`, and `quorate controller status` shows how many are taken.',
  MESH_LISTEN_FAILED:
    'The node cannot listen on this address; the message says why. It must belong to this host, with a free port that this user may use.',
  MESH_MESSAGE_TOO_LARGE: 'A message exceeds the limit. Send it in parts or through the artifact store.',
  MESH_NOT_ANNOUNCED:
    'No peer stored the provider record of the artifact, so others cannot find it. Try again once connected to peers.',
  MESH_PEER_QUOTA:
    'One key, with all processes that have it, has too many channels open to a peer. Try again when some of them have ended.',
  MESH_PEER_RATE:
    'One key, with all processes that have it, opens channels to a peer too fast. Try again in a minute.',
  MESH_PEER_UNKNOWN: 'Nobody knows an address of this peer. It may be offline, or on another network.',
  MESH_PROTOCOL_UNKNOWN:
    'The peer does not speak this protocol: it runs another version or has another role.',
  MESH_RECORD_REFUSED: 'The network keeps no values, only records of who provides what.',
  MESH_RESET:
    'The other side broke off. It stopped, lost its connection, or refused because a limit was reached.',
  MESH_TIMEOUT: 'No answer in time. The peer may be overloaded or behind a firewall that drops packets.',
  MESH_TRUNCATED: 'The other side closed the channel within a message.',
  MESH_UNREACHABLE:
    'The peer could not be reached. Check that it is running and that its address and port can be reached from here.',
} as const;

export type MeshErrorCode = keyof typeof meshErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<MeshErrorCode, string> {}
}
