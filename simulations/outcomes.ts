import { artifactOf, type Job, type Outcome } from '../src/protocol/documents/index.ts';
import { type BuildLimit, type BuildLimitName, limitNamed, limitText } from '../src/protocol/judge/index.ts';
import { exited, nonceOf, treeCid } from './paperwork.ts';
import { type Behaviour, isAttack, type Work } from './scenario.ts';

/** The result of an honest build of this job; undefined where honest workers differ. */
export function truthOf(work: Work): Outcome | undefined {
  const { nature, repeats: name = work.name } = work;
  if (nature === 'varies' || nature === 'passes here and there') return undefined;
  if (nature === 'fails') return exited(reportsOfFailure(work), 1);
  return exited(nature === 'makes nothing' ? null : treeCid(`${name} as it should be`));
}

/** Artifact of a job that fails: the reports of a test, none of a build. */
const reportsOfFailure = ({ name: own, repeats: name = own, test }: Work): string | null =>
  test === true ? treeCid(`reports of ${name}, which failed`) : null;

/** The tree that all workers with the behaviour `tampers-alike` deliver for a job. */
export const tamperedAlike = ({ name: own, repeats: name = own }: Work): string =>
  treeCid(`${name} with a back door`);

/** How a build ends, or is said to. `spoilt`: inputs that are not what they should be; an honest build of them makes something else. */
function outcomeOf(machine: string, behaviour: Behaviour, work: Work, spoilt: string): Outcome {
  switch (behaviour) {
    case 'tampers-alike':
      return exited(tamperedAlike(work));
    case 'tampers-alone':
      return exited(treeCid(`${work.name} with the back door of ${machine}`));
    case 'fails':
      return exited(null, 2);
    case 'aborts':
      return { kind: 'aborted', reason: 'operator', detail: 'no' };
    default:
      if (work.nature === 'passes here and there')
        return passesOn(work, machine)
          ? exited(treeCid(`reports of ${work.name}`))
          : exited(reportsOfFailure(work), 1);
      if (work.nature === 'varies') return exited(treeCid(`${work.name} as ${machine} makes it`));
      if (spoilt !== '') return exited(treeCid(`${work.name} of ${spoilt}`));
      return truthOf(work) ?? exited(null);
  }
}

const passesOn = ({ name }: Work, machine: string): boolean =>
  Number.parseInt(nonceOf(`${name} on ${machine}`).slice(0, 2), 16) % 2 === 0;

/** The limit of the job at which a machine's build is aborted, or is said to be. */
function limitOf(machine: string, behaviour: Behaviour, work: Work): BuildLimitName | undefined {
  if (behaviour === 'aborts') return passesOn(work, machine) ? 'files' : undefined;
  if (isAttack(behaviour)) return undefined;
  if (work.nature === 'too many files') return 'files';
  if (work.nature === 'too much memory here and there')
    return passesOn(work, machine) ? undefined : 'memoryBytes';
  return undefined;
}

/** The outcome that a worker states of its build, and the limit that it reports. */
export function statedBy(
  machine: string,
  behaviour: Behaviour,
  work: Work,
  { job, spoilt }: { job: Job; spoilt: string },
): { outcome: Outcome; limit?: BuildLimit } {
  const name = limitOf(machine, behaviour, work);
  if (name === undefined) return { outcome: outcomeOf(machine, behaviour, work, spoilt) };
  const limit = limitNamed(job, name);
  const reason = name === 'files' ? 'outputs' : 'memory';
  return { outcome: { kind: 'aborted', reason, detail: limitText(limit) }, limit };
}

/** The inputs of a job that are not what an honest build makes, as text; empty where all are right. */
export function spoiltInputs({ inputs }: Job, workOf: (name: string) => Work): string {
  const spoilt = Object.entries(inputs).filter(([name, artifact]) => {
    const right = truthOf(workOf(name));
    return right === undefined || artifactOf(right) !== artifact;
  });
  return spoilt.map(([name, artifact]) => `${name} ${artifact}`).join();
}
