import { html } from 'hono/html';
import { htmlDocument, projectNav, topBar } from '../../http/kit/layout.ts';
import { webUrl } from '../../http/kit/parts.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { counted, duration, sizeText } from '../../protocol/base/quantity.ts';
import { transferText } from '../../protocol/base/transfer-meter.ts';
import type { LiveField } from '../lending-knobs.ts';
import type { PastBuild } from '../machine/history.ts';
import type { HostStatus, OperatorStatus } from '../node/operator.ts';
import type { KnobFieldView } from './knob-fields.ts';

type Html = ReturnType<typeof html>;

/** The project that the worker is a member of, as its controller says. */
export interface LenderProject {
  name: string;
  /** Address of its pages; undefined where it has none. */
  pages: string | undefined;
}

/** Everything that one rendering of the page needs. */
export interface LenderView {
  /** Undefined while no worker answers. */
  status: OperatorStatus | undefined;
  /** Undefined where it is not known which. */
  project?: LenderProject | undefined;
  knobs: readonly KnobFieldView[];
  csrf: string;
  /** The outcome of the last form, where there is one. */
  notice: { kind: 'done' | 'fault'; text: string; hint?: string | undefined } | undefined;
  /** Texts typed into fields that were refused, and why. */
  faults: ReadonlyMap<LiveField, { text: string; message: string }>;
}

/** The parts that change by themselves, by the `id` of the element that each is in. */
export const parts = ['state', 'actions', 'builds', 'hosts', 'history'] as const;
export type Part = (typeof parts)[number];

export function lenderPage(view: LenderView): Html {
  const { status, notice, project } = view;
  const at = webUrl(project?.pages);
  const nav = [{ href: './', text: 'This machine', current: true }];
  return htmlDocument({
    title: `${status?.state ?? 'no answer'} · worker · Quorate`,
    sheets: ['base.css', 'bar.css', 'lender.css'],
    scripts: ['lender.js'],
    body: html`<body>
${topBar({ href: './', text: project === undefined ? 'Quorate' : escapeLine(project.name, 80) }, [...nav, ...(at === undefined ? [] : projectNav('/verify', { at }))])}
<main>
<h1>Worker on this machine</h1>
${notice === undefined ? '' : noticeLine(notice)}
<div id="state" role="status">${partOf('state', view)}</div>
<div id="actions">${partOf('actions', view)}</div>
<section aria-labelledby="builds-title"><h2 id="builds-title">Runs now</h2>
<div id="builds">${partOf('builds', view)}</div></section>
<section aria-labelledby="hosts-title"><h2 id="hosts-title">Where it connects to</h2>
<div id="hosts">${partOf('hosts', view)}</div></section>
<section aria-labelledby="limits-title"><h2 id="limits-title">What it lends</h2>${limitsForm(view)}</section>
<section aria-labelledby="history-title"><h2 id="history-title">History</h2>
<div id="history">${partOf('history', view)}</div></section>
</main>
<footer><p>This page is shown by <code>quorate worker page</code> to this machine only. What is changed here holds until
the worker ends; <code>worker.toml</code> holds for every start.</p></footer>
</body>`,
  });
}

/** One of the parts, as the page has it at first and as it is replaced. */
export function partOf(part: Part, view: Pick<LenderView, 'status' | 'csrf'>): Html {
  const { status, csrf } = view;
  if (status === undefined)
    return part === 'state'
      ? html`<p class="state bad">No worker answers. Start one: <code>quorate join</code></p>`
      : html``;
  if (part === 'state') return stateOf(status);
  if (part === 'actions') return actions(status, csrf);
  if (part === 'hosts') return hostsOf(status.hosts, csrf);
  return part === 'builds' ? buildsOf(status) : historyOf(status.history);
}

const noticeLine = ({ kind, text, hint }: NonNullable<LenderView['notice']>): Html =>
  html`<p class="notice ${kind === 'fault' ? 'bad' : 'good'}" role="${kind === 'fault' ? 'alert' : 'status'}">${text}${hint === undefined ? '' : html`<br>${hint}`}</p>`;

function stateOf(status: OperatorStatus): Html {
  const { state, reason, behind, log, unheeded, damaged, hostLoad, leases, builds } = status;
  const good = state === 'working';
  return html`<p class="state ${good ? 'good' : 'warn'}">${state}${reason === null ? '' : `: takes no new job, ${reason}`}</p>
${typeof behind === 'string' ? html`<p class="bad">This worker is older: ${escapeLine(behind, 1000)}</p>` : ''}
${log === null ? '' : html`<p class="bad">The log: ${escapeLine(log, 1000)}</p>`}
${unheeded.map((what) => html`<p class="warn">No effect here: ${what}</p>`)}
${damaged.length === 0 ? '' : html`<p class="warn">Damaged in the store: ${counted(damaged.length, 'tree')}; nothing is removed until it is repaired or given up. <code>quorate worker status</code> says which.</p>`}
${leases > builds.length ? html`<p>Waits for ${counted(leases - builds.length, 'round')} to end.</p>` : ''}
${hostLoad === null ? '' : html`<p>Other programs keep ${hostLoad.toFixed(1)} processors busy.</p>`}`;
}

const verbs = [
  ['pause', 'Pause', 'pauses the builds that run, and takes no new job'],
  ['resume', 'Resume', 'goes on after a pause, or takes back a drain'],
  ['drain', 'Drain', 'takes no new job, finishes the builds, then ends'],
] as const;

function actions({ state }: OperatorStatus, csrf: string): Html {
  const isOff = {
    pause: state === 'paused',
    resume: !['paused', 'draining'].includes(state),
    drain: state === 'draining',
  };
  return html`${verbs.map(
    ([verb, label, says]) => html`<form method="post" action="${verb}" class="action">
<input type="hidden" name="csrf" value="${csrf}">
<button type="submit" ${isOff[verb] ? 'disabled' : ''}>${label}</button> <span>${says}</span>
</form>`,
  )}`;
}

function buildsOf({ builds, fetching, using }: OperatorStatus): Html {
  const image =
    fetching === null ? '' : html`<p>Fetches the image ${fetching.image}: ${transferText(fetching)}</p>`;
  if (builds.length === 0) return html`<p>No build.</p>${image}`;
  return html`<ul>${builds.map(
    ({ job, commit, ms }) =>
      html`<li><strong>${escapeLine(job, 80)}</strong> at <code>${commit.slice(0, 12)}</code> for ${duration(ms)}</li>`,
  )}</ul>
<p>Together they use ${sizeText(using.memoryBytes)} of memory, and ${duration(using.processorSeconds * 1000)} of processor so far.</p>${image}`;
}

/** A worker of before says nothing of hosts. */
function hostsOf(hosts: HostStatus | undefined, csrf: string): Html {
  if (hosts === undefined) return html`<p>Not known: update the worker.</p>`;
  const { allowed, pending, spent, traffic } = hosts;
  const name = (host: string) => html`<code>${escapeLine(host, 140)}</code> `;
  const said =
    allowed === 'any'
      ? html`any host that the project names`
      : html`${allowed.length === 0 ? 'no host' : allowed.map(name)}`;
  return html`<p>Allowed: ${said}</p>
${pending.map(
  (host) => html`<form method="post" action="allow" class="action">
<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="host" value="${host}">
<button type="submit">Allow</button> <span>${name(host)} is named by the project or a job; nothing connects to it</span>
</form>`,
)}
${spent.length === 0 ? '' : html`<p class="warn">A limit of this hour is reached: ${spent.map(name)}</p>`}
${
  traffic.length === 0
    ? ''
    : html`<ul>${traffic.map(
        ({ host, addresses, connections, open, receivedBytes, sentBytes }) =>
          html`<li>${name(host)}(${addresses.slice(-2).join(', ')}): ${counted(connections, 'connection')}, ${open} open; ${sizeText(receivedBytes)} in, ${sizeText(sentBytes)} out</li>`,
      )}</ul>`
}`;
}

function limitsForm({ knobs, csrf, faults, status }: LenderView): Html {
  if (status === undefined) return html`<p>Not known: no worker answers.</p>`;
  return html`<form method="post" action="limits" id="limits">
<input type="hidden" name="csrf" value="${csrf}">
${knobs.map((knob) => knobField(knob, faults.get(knob.field)))}
<p><button type="submit">Lend this</button></p>
</form>`;
}

function knobField(knob: KnobFieldView, fault: { text: string; message: string } | undefined): Html {
  const { field, file, what, usually, live, enforcedBy, value, says, stops, choices } = knob;
  const help = `${field}-help`;
  const input =
    choices.length > 0
      ? html`<select id="${field}" name="${field}" aria-describedby="${help}">${choices.map(
          (one) => html`<option value="${one}" ${one === value ? 'selected' : ''}>${one}</option>`,
        )}</select>`
      : html`<input id="${field}" name="${field}" value="${fault?.text ?? value}" maxlength="20" autocomplete="off" spellcheck="false" aria-describedby="${help}" ${fault === undefined ? '' : 'aria-invalid=true'}>
<input type="range" hidden min="0" max="${stops.length - 1}" step="1" value="${Math.max(0, stops.indexOf(value))}" data-for="${field}" data-stops="${stops.join(' ')}" aria-label="${file}, as a slider">`;
  return html`<div class="knob">
<label for="${field}">${file.split('.').join(' ').replace('_', ' ')}</label>
${input}
<p class="help" id="${help}">${fault === undefined ? '' : html`<strong class="bad">${fault.message}.</strong> `}Now ${says}: ${what}. A change holds for ${live}. Enforced by ${enforcedBy.replaceAll('`', '')}. Default: ${usually}.</p>
</div>`;
}

function historyOf(history: readonly PastBuild[]): Html {
  if (history.length === 0) return html`<p>No build has ended yet.</p>`;
  return html`<ol class="past" reversed>${history.map(
    (
      past,
    ) => html`<li><span class="${past.outcome?.kind === 'exit' && past.outcome.code === 0 ? 'good' : 'warn'}">${resultOf(past)}</span>
<strong>${escapeLine(past.job, 80)}</strong> at <code>${past.commit.slice(0, 12)}</code>${tookOf(past)}, <time datetime="${past.finishedOn}">${past.finishedOn.slice(0, 19).replace('T', ' ')} UTC</time>; ${fateOf(past)}
<br><small>${escapeLine(past.repo, 300)} ${escapeLine(past.ref, 100)}</small></li>`,
  )}</ol>`;
}

function resultOf({ outcome }: PastBuild): string {
  if (outcome === null) return 'no result';
  return outcome.kind === 'exit' ? `exit ${outcome.code}` : `aborted (${outcome.reason})`;
}

const tookOf = ({ startedOn, finishedOn }: PastBuild): string =>
  startedOn === null ? '' : `, took ${duration(Date.parse(finishedOn) - Date.parse(startedOn))}`;

const fateOf = ({ fate, code }: PastBuild): string =>
  ({
    sealed: 'sealed until its round ends',
    published: 'published',
    dropped: `not used [${code}]`,
    lost: 'lost when the worker stopped',
  })[fate];
