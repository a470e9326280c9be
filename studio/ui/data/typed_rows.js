// Fields for questions and answers. The browser holds what is typed, also over a reload.

const ROW = '.ls-typed-row:not(.ls-typed-head)';
const isUsed = (row) => row.some((text) => text.trim() !== '');
const rowsOf = (list) => [...list.querySelectorAll(ROW)]
  .map((row) => [...row.querySelectorAll('textarea')].map((field) => field.value));

function keptRows() {
  const typed = studio.kept('typed');
  const isRow = (row) => Array.isArray(row) && row.every((text) => typeof text === 'string');
  return Array.isArray(typed) ? typed.filter(isRow) : [];
}

studio.typedRows = ({element, watch}, fewest) => {
  const list = element.querySelector('.ls-typed');
  const used = () => JSON.stringify(rowsOf(list).filter(isUsed));

  function fit(field) {
    field.style.height = 'auto';
    if (field.scrollHeight) field.style.height = `${field.scrollHeight + 2}px`;
  }
  function add(texts) {
    const row = document.createElement('div');
    row.className = 'ls-typed-row';
    const number = rowsOf(list).length + 1;
    [studio.t('Question'), studio.t('Answer')].forEach((name, place) => {
      const field = document.createElement('textarea');
      field.rows = 1;
      field.value = texts[place] || '';
      field.setAttribute('aria-label', `${name} ${number}`);
      field.placeholder = number === 1 ? [studio.t('What colour is the lamp?'), studio.t('It is red.')][place] : '';
      row.append(field);
    });
    list.append(row);
    row.querySelectorAll('textarea').forEach(fit);
  }
  function addWhereFull() {
    if (isUsed(rowsOf(list).at(-1))) add([]);
  }
  function fill(typed) {
    list.querySelectorAll(ROW).forEach((row) => row.remove());
    typed.forEach(add);
    while (rowsOf(list).length < fewest) add([]);
    addWhereFull();
  }
  const keep = () => studio.keep('typed', rowsOf(list).filter(isUsed));

  list.addEventListener('input', (event) => {
    fit(event.target);
    addWhereFull();
    keep();
  });
  list.addEventListener('focusin', (event) => fit(event.target));
  // What was added is taken away, unless more was typed since.
  watch('value', () => {
    if (list.dataset.sent !== used()) return;
    fill([]);
    keep();
  });
  fill(keptRows());
};

// Puts what stands in the fields in the place of a listener's last input.
studio.readTypedRows = (...values) => {
  const list = document.querySelector('#data-rows .ls-typed');
  const typed = rowsOf(list).filter(isUsed);
  list.dataset.sent = JSON.stringify(typed);
  return [...values.slice(0, -1), typed];
};

// Rows that were typed and not added stand in a section that comes back closed: says that they are there.
studio.typedLeft = ({element}) => {
  const count = keptRows().length;
  if (!count) return;
  const said = studio.warning(studio.t('Typed rows that you have not added: {0}', count));
  const show = studio.button(studio.t('Show them'), () => {
    element.replaceChildren();
    const title = document.querySelector('#data-bring > button');
    if (!title.classList.contains('open')) title.click();
    setTimeout(() => {
      const way = document.getElementById('data-way-type-button');
      way.click();
      way.scrollIntoView({block: 'start'});
    });
  });
  // The section is closed with the first drawing of the tab: what is opened before would close again.
  const wait = setInterval(() => {
    if (!document.querySelector('#data-verdict')?.textContent.trim()) return;
    clearInterval(wait);
    element.append(said, show);
  }, 200);
};
