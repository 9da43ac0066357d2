import { Readable } from 'node:stream';
import { sandboxLimits } from '../limits.ts';
import type { TierSandbox } from '../run/tier.ts';
import type { ProbeCheck, SandboxJob, SandboxLimits, SandboxOutcome } from '../types.ts';
import { userNamespaceFix } from './host-checks.ts';

const MiB = 1024 * 1024;
const limits: SandboxLimits = {
  cpus: 1,
  memoryBytes: 32 * MiB,
  diskBytes: 4 * MiB,
  pids: 24,
  seconds: sandboxLimits.probeJobSecondsMax,
};

/** A busy loop under this quota gets a quarter of a processor plus one period's burst; without a quota up to a whole one. */
const CPU_QUOTA = 0.25;
const CPU_SHARE_MAX = 0.5;
const LOG_BYTES_MAX = 64 * 1024;

/** Reports findings from inside, one per line: `quorate-probe <check> <finding>`. */
const lookAround = `
say() { echo "quorate-probe $1 $2"; }
say kernel "$(uname -r)"
say account "$(id -u):$(id -g)"
say capabilities "$(grep -c '^Cap.*0000000000000000$' /proc/self/status) of $(grep -c '^Cap' /proc/self/status) sets empty"
say privileges "$( (grep '^NoNewPrivs' /proc/self/status || setpriv --dump 2>&1 | grep '^no_new_privs') | tr -d '\\t ')"
say filter "$(grep '^Seccomp:' /proc/self/status | tr -d '\\t')"
if unshare -U true 2>/dev/null; then say namespaces open; else say namespaces closed; fi
say network "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\\n' ' ')"
seen=
for path in /home /root /var /run /sys /mnt /srv /opt /boot /etc/shadow /etc/ssh /etc/machine-id; do
  if [ -e $path ]; then seen="$seen $path"; fi
done
say files "host paths seen:\${seen:- none}"
written=
for path in / /usr/ /etc/ /dev/; do
  if (: > $path.quorate-probe) 2>/dev/null; then written="$written $path"; fi
done
say read-only "host paths written:\${written:- none}"
say processes "$(ls -d /proc/[0-9]* | wc -l)"
if head -c 8388608 /dev/zero 2>/dev/null > /tmp/fill; then say disk open; else say disk held; fi
rm -f /tmp/fill
if (i=0; while [ $i -lt 40 ]; do sleep 99 & i=$((i+1)); done) 2>/dev/null; then say pids open; else say pids held; fi
echo made > "$OUT/made"
`;

/** Keeps one processor busy for 0.4 s of wall time. */
const busyLoop = `
now() { read -r up rest < /proc/uptime; now=$((\${up%.*} * 100 + 1\${up#*.} - 100)); }
now; start=$now; echo quorate-probe cpu begins
while [ $((now - start)) -lt 40 ]; do now; done
`;

/** Allocates more than the memory limit plus the overhead of any tier. */
const hog = 'dd if=/dev/zero of=/dev/null bs=250000000 count=1';

/** Runs jobs under real limits, all at once. `alone`: the same tier, for the job whose processor time is measured. */
export async function checkFromInside(
  { sandbox, alone }: { sandbox: TierSandbox; alone: TierSandbox },
  image: SandboxJob['image'],
  signal: AbortSignal,
  onStep: (looksAt: string) => void,
): Promise<ProbeCheck[]> {
  const at = { sandbox, image, signal };
  const open = new Set<string>();
  const step = async <T>(looksAt: string, ran: Promise<T>): Promise<T> => {
    open.add(looksAt);
    const found = await ran;
    open.delete(looksAt);
    if (open.size > 0) onStep([...open].join(', '));
    return found;
  };
  const jobs = [
    step('guards', runStep(at, lookAround, limits)),
    step('memory limit', runStep(at, hog, limits)),
    step('time limit', runStep(at, 'sleep 60', { ...limits, seconds: 0.2 })),
    step('processor limit', processorShare({ ...at, sandbox: alone })),
  ] as const;
  onStep([...open].join(', '));
  // Where one is ended by the signal, the others take down what they started before the caller goes on.
  await Promise.allSettled(jobs);
  const [look, memory, time, share] = await Promise.all(jobs);
  const ran = reason(look.outcome) === 'exit 0';
  const checks: ProbeCheck[] = [{ name: 'a job runs', ok: ran, found: ran ? 'yes' : describe(look) }];
  if (!ran) return checks.map((check) => ({ ...check, ...userNamespaceFix() }));
  const lines = look.log.matchAll(/^quorate-probe (\S+) (.*)$/gm);
  const found = new Map([...lines].map(([, key = '', text = '']) => [key, text.trim()]));
  sandbox.kernel = found.get('kernel') ?? '';
  return [
    ...checks,
    { name: 'outputs come back', ok: look.outputBytes > 0, found: `${look.outputBytes} bytes` },
    ...expectations.map(({ name, key, holds }) => {
      const text = found.get(key) ?? 'nothing was reported';
      return { name, ok: holds(text), found: text };
    }),
    { name: 'processor limit', ok: share <= CPU_SHARE_MAX, found: `${share.toFixed(2)} of a processor used` },
    { name: 'memory limit', ok: reason(memory.outcome) === 'memory', found: describe(memory) },
    { name: 'time limit', ok: reason(time.outcome) === 'time', found: describe(time) },
  ];
}

const expectations: { name: string; key: string; holds: (found: string) => boolean }[] = [
  { name: 'unprivileged account', key: 'account', holds: (found) => found === '1000:1000' },
  { name: 'no capabilities', key: 'capabilities', holds: (found) => /^([45]) of \1 sets empty$/.test(found) },
  {
    name: 'no new privileges',
    key: 'privileges',
    holds: (found) => /^(NoNewPrivs|no_new_privs):1$/.test(found),
  },
  { name: 'system call filter', key: 'filter', holds: (found) => found === 'Seccomp:2' },
  { name: 'no further namespaces', key: 'namespaces', holds: (found) => found === 'closed' },
  { name: 'no network', key: 'network', holds: (found) => found === 'lo' || found === '' },
  { name: 'host files hidden', key: 'files', holds: (found) => found.endsWith(': none') },
  { name: 'system read-only', key: 'read-only', holds: (found) => found.endsWith(': none') },
  { name: 'own processes only', key: 'processes', holds: (found) => Number(found) > 0 && Number(found) < 10 },
  { name: 'disk limit', key: 'disk', holds: (found) => found === 'held' },
  { name: 'process limit', key: 'pids', holds: (found) => found === 'held' },
];

/**
 * The share of a processor that a busy loop under CPU_QUOTA got, as counted by the host's kernel: the clock of a virtual
 * machine is no reliable measure. NaN if the job failed.
 */
async function processorShare(at: Where): Promise<number> {
  let began: { clock: number; spent: number } | undefined;
  const now = () => ({ clock: performance.now() / 1000, spent: at.sandbox.processorSeconds() });
  const { outcome } = await runStep(at, busyLoop, { ...limits, cpus: CPU_QUOTA }, () => {
    began ??= now();
  });
  const ended = now();
  if (began === undefined || reason(outcome) !== 'exit 0') return Number.NaN;
  return (ended.spent - began.spent) / (ended.clock - began.clock);
}

interface Where {
  sandbox: TierSandbox;
  image: SandboxJob['image'];
  signal: AbortSignal;
}

async function runStep(
  { sandbox, image, signal }: Where,
  step: string,
  limits: SandboxLimits,
  onLog: () => void = () => {},
) {
  let log = '';
  let outputBytes = 0;
  const nothing = Readable.from([Buffer.alloc(1024)], { objectMode: false });
  const job: SandboxJob = {
    source: nothing,
    inputs: [],
    run: [step],
    env: {},
    outputs: ['.'],
    limits,
    image,
  };
  const outcome = await sandbox.run(job, {
    signal,
    onLog: (chunk) => {
      onLog();
      log = (log + Buffer.from(chunk).toString('latin1')).slice(0, LOG_BYTES_MAX);
    },
    onOutputs: async (tar) => {
      for await (const chunk of tar as AsyncIterable<Uint8Array>) outputBytes += chunk.byteLength;
    },
  });
  return { outcome, log, outputBytes };
}

const reason = (outcome: SandboxOutcome): string =>
  outcome.kind === 'aborted' ? outcome.reason : `exit ${outcome.code}`;

function describe({ outcome, log }: Awaited<ReturnType<typeof runStep>>): string {
  if (outcome.kind === 'aborted') return `ended for ${outcome.reason}: ${oneLine(outcome.detail)}`;
  return `exit ${outcome.code}: ${oneLine(log.slice(-300))}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').trim();
}
