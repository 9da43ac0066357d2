/** libp2p protocols of Quorate. The number grows when messages stop being understood by older nodes. */
export const protocols = {
  /** Worker → controller: who I am, then backlog on demand; open as long as the worker is present. */
  feed: '/quorate/feed/1',
  /** Worker → controller, one lease at a time on a stream: claim, lease, heartbeats, receipt, ack, reveal, co-signing. */
  lease: '/quorate/lease/2',
  /** Trusted worker → controller: drafts of answers from earlier builds to sign; open as long as the worker is present. */
  cosign: '/quorate/cosign/1',
  /** Worker → controller: live logs of leases, one after the other, apart so that a flood delays no heartbeat. */
  log: '/quorate/log/2',
  /** Anybody → controller: enrol, renew, submit, list, show, follow, logs. */
  api: '/quorate/api/1',
  /** Controller → identity provider, where that is a process of its own: grants for members, and the charter. */
  idp: '/quorate/idp/1',
  /** Anybody → whoever serves an artifact: its bundle. */
  bundle: '/quorate/bundle/1',
  /** Anybody → whoever serves an artifact: its blocks, as one CAR. */
  car: '/quorate/car/1',
  /** Controller → artifact store: keep a tree that operators agreed on. */
  pin: '/quorate/pin/1',
  /** Anybody → any member: the revocations it knows, and the newest checkpoint that it checked. */
  revocations: '/quorate/revocations/1',
} as const;

/** Gossip topics of a project. */
export const topics = {
  /** Version 2: nodes that state no version listen at 1, and get no offers. */
  offers: (project: string) => `/quorate/2/${project}/offers`,
  verdicts: (project: string) => `/quorate/1/${project}/verdicts`,
  revocations: (project: string) => `/quorate/1/${project}/revocations`,
  checkpoints: (project: string) => `/quorate/1/${project}/checkpoints`,
  equivocations: (project: string) => `/quorate/1/${project}/equivocations`,
};

export const topicsOf = (project: string): string[] => Object.values(topics).map((topic) => topic(project));
