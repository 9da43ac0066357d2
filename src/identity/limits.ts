/** Bounds of invites, tickets and of what is remembered. */
export const identityLimits = {
  /** Lifetime of an invite. */
  inviteSecondsMax: 30 * 24 * 3600,
  /** A ticket as pasted: about 1,500 characters with all addresses, and what a chat program adds. */
  ticketCharsMax: 16 * 1024,
  /** Texts of documents that a process remembers to have opened: those of some thirty bundles. About four times as much memory. */
  openedCharsMax: 1024 * 1024,
  /** Of bundles of inputs that held: those of some seventy jobs. About three times as much memory. */
  heldBundlesCharsMax: 2 * 1024 * 1024,
  /** Of documents that a key remembers to have signed: those of the runs under way. */
  signedCharsMax: 256 * 1024,
} as const;
