/** Bounds of invites and tickets. */
export const identityLimits = {
  /** Lifetime of an invite. */
  inviteSecondsMax: 30 * 24 * 3600,
  /** A ticket as pasted: about 1,500 characters with all addresses, and what a chat program adds. */
  ticketCharsMax: 16 * 1024,
} as const;
