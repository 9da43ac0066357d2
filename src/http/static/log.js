// Adds the lines of a log as they come, and marks ranges of lines in the address.
const list = document.getElementById('log');
const follow = document.getElementById('follow');
/** A page that shows more is slow to scroll: the first ones go. */
const blocksMax = 2_000;

function append(markup) {
  const block = document.createElement('div');
  block.innerHTML = markup;
  list.append(block);
  while (list.childElementCount > blocksMax) list.firstElementChild.remove();
  if (follow?.checked) list.lastElementChild?.scrollIntoView({ block: 'end' });
}

if (list?.dataset.events !== undefined) {
  const source = new EventSource(`${list.dataset.events}?from=${list.dataset.next}`);
  const status = document.querySelector('.connection');
  source.addEventListener('open', () => {
    status.textContent = 'live';
  });
  source.addEventListener('lines', ({ data }) => append(data));
  source.addEventListener('end', () => {
    source.close();
    status.textContent = 'the build is over';
  });
  source.addEventListener('error', () => {
    status.textContent = source.readyState === EventSource.CLOSED ? '' : 'connecting again';
  });
  addEventListener('pagehide', () => source.close());
}
