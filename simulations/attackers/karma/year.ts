import { Random } from '../../random.ts';
import type { Job, Scheme } from './scheme.ts';

/** The project: volunteers, and what is built. */
export const project = {
  hosts: 200,
  jobsPerDay: 100,
  /** An honest build in so many is wrong, by bad memory or a full disk; each in its own way. */
  faultEvery: 200,
  /** An honest volunteer stays so many days, on average. */
  days: 200,
  year: 365,
  /** Days that are looked at after the turn. */
  after: 30,
} as const;
const probes = 1_000;

export interface Year {
  /** For each month: how often the tampered artifact of one job on its first day would be accepted. */
  pays: number[];
  /** Builds for each artifact in the last month before the turn. */
  builds: number;
  /** After the turn: share of each day's jobs that ended with a tampered artifact. */
  after: number[];
}

/** The first `share` of the hosts behave well for a year and then tamper alike with each job. */
export function yearOf({ name, fresh }: Scheme, share: number, seed: string): Year {
  const random = new Random(`${seed} ${name} ${share}`);
  const { hosts, jobsPerDay, faultEvery, days, year, after } = project;
  const sleepers = Math.round(hosts * share);
  const memory = fresh(hosts);
  const pick = picker(hosts, random);
  const out: Year = { pays: [], builds: 0, after: [] };
  let tampers = false;
  const job = (): Job => ({
    next: pick(),
    build: (host) => {
      if (host < sleepers) return tampers ? 'tampered' : 'honest';
      return random.int(1, faultEvery) === 1 ? `fault of ${host}` : 'honest';
    },
  });
  let builds = 0;
  let made = 0;
  for (let day = 0; day < year + after; day++) {
    if (day < year && day % 30 === 0) {
      tampers = true;
      let won = 0;
      for (let n = 0; n < probes; n++) if (memory.run(job(), random, false).result === 'tampered') won++;
      out.pays.push(won / probes);
    }
    tampers = day >= year;
    for (let host = sleepers; host < hosts; host++) if (random.int(1, days) === 1) memory.replace(host);
    let tampered = 0;
    for (let n = 0; n < jobsPerDay; n++) {
      const ended = memory.run(job(), random, true);
      if (ended.result === 'tampered') tampered++;
      if (day < year - 30 || day >= year) continue;
      builds += ended.builds;
      if (ended.result === 'honest') made++;
    }
    if (tampers) out.after.push(tampered / jobsPerDay);
  }
  return { ...out, builds: builds / made };
}

/** Draws of hosts, each at most once: the first places of a shuffle that is never finished. */
function picker(hosts: number, random: Random): () => Job['next'] {
  const order = Array.from({ length: hosts }, (_, n) => n);
  return () => {
    let at = 0;
    return () => {
      if (at === hosts) return undefined;
      const other = random.int(at, hosts - 1);
      const [host = 0, before = 0] = [order[other], order[at]];
      order[other] = before;
      order[at] = host;
      at++;
      return host;
    };
  };
}
