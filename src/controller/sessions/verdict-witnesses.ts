import type { Charter, Grant, Verified } from '../../protocol/documents/index.ts';
import { documentLimits } from '../../protocol/documents/limits.ts';
import { checkGrant, enforce } from '../../protocol/judge/index.ts';
import { openNamedWitnesses, type Witness } from '../../protocol/transparency/index.ts';
import { isWitnessed } from '../../protocol/trust/index.ts';
import type { WitnessedLog } from '../machine/facts.ts';
import { refusalBy } from '../machine/members/charter.ts';
import { revocationsIn } from '../machine/members/revocations.ts';
import type { ControllerState, LoggedVerdict, Run } from '../machine/state.ts';
import { countWitnesses, grantsIn } from '../machine/verdicts/witnesses.ts';
import type { MemberLine, WitnessedCheckpoint } from './checkpoint-round.ts';
import type { ControllerPorts } from './ports.ts';

/** Tells the machine which witnesses signed the checkpoints that verdicts wait for. */
export class VerdictWitnesses {
  readonly #ports: Pick<ControllerPorts, 'machine' | 'dispatch' | 'signing'>;

  constructor(ports: Pick<ControllerPorts, 'machine' | 'dispatch' | 'signing'>) {
    this.#ports = ports;
  }

  /** Whether a verdict waits for witnesses. */
  get waiting(): boolean {
    for (const { phase } of this.#ports.machine.state.index.open.values())
      if (phase.kind === 'witnessing') return true;
    return false;
  }

  /** Reports the witnesses of each waiting verdict: enough of them while the round is open, all when it has `ended`. */
  async check(checkpoint: WitnessedCheckpoint, ended: boolean): Promise<void> {
    const { machine, dispatch } = this.#ports;
    for (const { id } of [...machine.state.index.open.values()]) {
      const draft = waitingDraft(machine.state.runs.get(id));
      if (draft === undefined || draft.size > checkpoint.size) continue;
      const named = await this.#named(checkpoint, draft);
      const run = machine.state.runs.get(id);
      if (run === undefined || waitingDraft(run) !== draft) continue;
      const log = logFor(machine.state, run, draft, { ...checkpoint, named });
      const by = countWitnesses(run, draft, log, revocationsIn(machine.state, draft.charter));
      const { payload: charter } = draft.charter;
      const isEnough = isWitnessed(by, run.request.payload.policy, charter);
      if (ended || (isEnough && !waitsForTrusted(machine.state, charter, checkpoint)))
        void dispatch({ kind: 'witnessed', run: id, verdict: draft.id, root: checkpoint.root, log });
    }
  }

  async #named({ base, outside }: WitnessedCheckpoint, { charter }: LoggedVerdict) {
    const keys = charter.payload.witnesses?.keys ?? [];
    const { verifier } = this.#ports.signing.documents;
    const found = [];
    for (const line of outside) {
      const [witness] = await openNamedWitnesses(base + line, keys, verifier);
      if (witness !== undefined) found.push({ ...witness, line });
    }
    return found;
  }
}

function waitingDraft(run: Run | undefined): LoggedVerdict | undefined {
  return run?.phase.kind === 'witnessing' ? run.phase.draft : undefined;
}

/** Whether a trusted worker is present whose line the checkpoint has not yet. */
function waitsForTrusted(
  { presence }: ControllerState,
  { trusted }: Charter,
  { members }: WitnessedCheckpoint,
): boolean {
  return trusted.some((key) => presence.workers.has(key) && !members.some(({ witness }) => witness === key));
}

interface Lines extends WitnessedCheckpoint {
  named: { name: string; time: number; line: string }[];
}

/** The checkpoint with the lines that count: of operators with a receipt first. Those of trusted workers decide between two stories. */
function logFor(
  state: ControllerState,
  run: Run,
  draft: LoggedVerdict,
  { size, base, members, named }: Lines,
): WitnessedLog {
  const held = new Set(grantsIn(run, draft).map(({ payload }) => payload.sub));
  const grantOf = (line: MemberLine): Verified<Grant> | undefined => {
    // Of those that it has shown one may be from another identity provider than the other.
    const shown = [line.grant, state.presence.workers.get(line.witness)?.grant];
    return shown.find((grant) => grant !== undefined && isGood(grant, draft, line));
  };
  const known = members.filter((one) => held.has(one.witness) || grantOf(one) !== undefined);
  const ordered = [
    ...known.filter(({ witness }) => held.has(witness)),
    ...known.filter(({ witness }) => !held.has(witness)),
  ];
  const own = members.filter(({ witness }) => draft.charter.payload.trusted.includes(witness));
  const toLog = (lines: typeof ordered): WitnessedLog => ({
    size,
    note: [base, ...[...own, ...lines, ...named].map(({ line }) => line)].join(''),
    lines: {
      keys: lines.map(({ witness, time }) => ({ witness, time })),
      named: named.map(({ name, time }) => ({ name, time })),
    },
    grants: lines.flatMap((one) => (held.has(one.witness) ? [] : (grantOf(one) ?? []))),
  });
  const counted = countWitnesses(run, draft, toLog(ordered), revocationsIn(state, draft.charter));
  const keys = new Set(counted.keys.slice(0, documentLimits.slotsMax));
  return toLog(ordered.filter(({ witness }) => keys.has(witness)));
}

function isGood(grant: Verified<Grant>, { charter }: LoggedVerdict, { witness, time }: Witness): boolean {
  const about = { by: witness, as: 'worker', at: time } as const;
  return refusalBy(() => checkGrant(enforce, grant, charter.payload, about)) === undefined;
}
