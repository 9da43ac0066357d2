import type { Scenario, Work } from './scenario.ts';

/** Operators, jobs and events of a scenario, a line each. */
export function describeScenario(scenario: Scenario): string[] {
  const { attackerShare, operators, trusted, second, works, faultsMs, idp, grantSeconds, revokes } = scenario;
  const charters = scenario.charters
    .map(({ afterMs, replaces }) => `; a charter after ${afterMs / 1000} s (replaces ${replaces})`)
    .join('');
  return [
    ...(scenario.stores === undefined
      ? []
      : [
          `${scenario.stores.copies} of these stores keep artifacts: ${scenario.stores.behaviours.join(', ')}`,
        ]),
    `attackers: ${attackerShare}; trusted worker: ${trusted}${second ? ' and a second one' : ''}; faults for ${faultsMs / 1000} s; grants of ${grantSeconds} s${idp === 'apart' ? ' by an identity provider apart' : ''}${charters}`,
    ...operators.map(
      ({ name, hosts, behaviour, joinsLate, unsigned }) =>
        `${name}: ${hosts.length} machine(s), ${behaviour}${joinsLate ? ', joins late' : ''}${unsigned ? ', cannot sign receipts' : ''}`,
    ),
    ...(revokes === undefined
      ? []
      : [
          `${revokes.operator} is revoked after ${revokes.afterMs / 1000} s, from ${revokes.ever ? 'its beginning' : 'then'} on`,
        ]),
    ...(scenario.theft === undefined
      ? []
      : [
          `the identity provider's key is stolen after ${scenario.theft.afterMs / 1000} s, for ${scenario.theft.endsAfterMs / 1000} s: the thief revokes ${scenario.theft.revokes} and poses as ${scenario.theft.poses}`,
        ]),
    ...works.map(
      ({
        name,
        test,
        nature,
        needs,
        policy: { agree, of, cosign, rounds },
        expiresSeconds,
        cancelAfterMs,
        ...more
      }) =>
        `${name}: ${repeatsText(more)}${test ? 'a test, ' : ''}${nature}${readsText(needs)}, agree ${agree} of ${of}, cosign ${cosign}, ${rounds} round(s), expires after ${expiresSeconds} s${cancelAfterMs === undefined ? '' : `, cancelled after ${cancelAfterMs / 1000} s`}`,
    ),
  ];
}

const repeatsText = ({ repeats, rebuild }: Pick<Work, 'repeats' | 'rebuild'>): string =>
  repeats === undefined ? '' : `${repeats} ${rebuild ? 'built again' : 'once more'}, `;

const readsText = (needs: Work['needs'] = {}): string =>
  Object.entries(needs)
    .map(([name, level]) => `, reads ${name} (${level})`)
    .join('');
