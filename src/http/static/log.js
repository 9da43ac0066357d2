// Adds the lines of a log as they come, and opens the step of the line in the address.
const list = document.getElementById('log');
const follow = document.getElementById('follow');
/** Steps and blocks of lines: a page that shows more is slow to scroll. */
const blocksMax = 2_000;

/** Removes the first ones, and says from which line on it shows the log. */
function trim() {
  let over = list.querySelectorAll(':scope > *, :scope > details > div').length - blocksMax;
  if (over <= 0) return;
  for (; over > 0; over--) {
    const first = list.firstElementChild;
    (first.querySelector(':scope > div') ?? first).remove();
  }
  const line = list.querySelector('[id^=L]')?.id.slice(1);
  const says = document.getElementById('gone') ?? document.createElement('p');
  says.id = 'gone';
  says.className = 'notice some';
  says.textContent = `This page has grown long: it shows the log from line ${line} on. Load it again to read from the first.`;
  list.before(says);
}

function append(markup) {
  const block = document.createElement('div');
  block.innerHTML = markup;
  // How the step before ended.
  for (const summary of block.querySelectorAll(':scope > summary'))
    document.getElementById(summary.id)?.replaceWith(summary);
  const step = block.querySelector(':scope > details');
  if (step !== null) list.append(step);
  const place = list.querySelector(':scope > details:last-of-type') ?? list;
  if (step === null && block.childElementCount > 0) place.append(block);
  trim();
  if (follow?.checked) place.lastElementChild?.scrollIntoView({ block: 'end' });
}

/** A line in a step that is closed. */
function showTarget() {
  const line = document.getElementById(location.hash.slice(1));
  const step = line?.closest('details:not([open])');
  if (step == null) return;
  step.open = true;
  line.scrollIntoView();
}
showTarget();
addEventListener('hashchange', showTarget);

if (list?.dataset.events !== undefined) {
  const source = new EventSource(`${list.dataset.events}?from=${list.dataset.next}`);
  const status = document.querySelector('.connection');
  source.addEventListener('open', () => {
    status.textContent = 'live';
  });
  source.addEventListener('lines', ({ data }) => append(data));
  source.addEventListener('end', ({ data }) => {
    append(data);
    source.close();
    status.textContent = 'the build is over';
  });
  source.addEventListener('error', () => {
    status.textContent = source.readyState === EventSource.CLOSED ? '' : 'connecting again';
  });
  addEventListener('pagehide', () => source.close());
}
