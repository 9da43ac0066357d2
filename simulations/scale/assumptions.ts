/** Of the world around a project. Bounds, times and formats of the project itself are those of production. */
export const assumptions = {
  /** Operators by the number of their machines: 2.4 each on average, and one in a hundred has fifty. */
  machines: [
    { machines: 1, share: 0.6 },
    { machines: 2, share: 0.25 },
    { machines: 4, share: 0.1 },
    { machines: 10, share: 0.04 },
    { machines: 50, share: 0.01 },
  ],
  /** One way between two members, and between a member and the controller. */
  latencyMs: [10, 150],
  /** From an offer in hand to a claim that is sent: six signatures are checked, one is made, a stream is opened. */
  answerMs: [5, 40],
  /** Sent by the controller, and by a worker, in bytes a millisecond: 100 and 10 Mbit/s. */
  controllerUplink: 12_500,
  workerUplink: 1_250,
  /** Neighbours of a member in the mesh of a topic: gossipsub's D. Each worker is connected to the controller too. */
  degree: 6,
  /** Time that a worker stays connected, on average; its end is drawn from an exponential distribution. */
  stayMs: 4 * 3600_000,
  /** Of the workers that leave, those whose connection says nothing (power, network): the controller finds out by silence. */
  silentShare: 0.5,
  shortBuildMs: 60_000,
  longBuildMs: 600_000,
} as const;

/** State of the workers when a job is offered: parts of all, each worker drawn alone. */
export interface Situation {
  name: string;
  /** Builds something else, and passes. */
  busy: number;
  /** Its machine does not fit the job, and it passes. */
  unfit: number;
}

export const situations: readonly Situation[] = [
  { name: 'all free', busy: 0, unfit: 0 },
  { name: 'half busy', busy: 0.5, unfit: 0 },
  { name: '9 of 10 busy', busy: 0.9, unfit: 0 },
  { name: '1 in 100 fits', busy: 0, unfit: 0.99 },
];

/** Processor time of the controller in ms, as docs/performance.md measured it. */
export const costs = {
  /** A message that is sent or received, by one side. */
  messageMs: 0.04,
  /** A claim with its stream and signatures: a turn. */
  claimMs: 1,
  /** A signature that is checked. */
  verifyMs: 0.12,
  /** A run of three workers and a trusted one, all else. */
  runMs: 48,
} as const;
