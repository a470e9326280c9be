// The texts of one example as fields. What is typed stays in the browser until it is saved, also over a reload.

const DRAFT = 'edited';
const fieldsOf = () => [...document.querySelectorAll('#data-editor .ls-editor textarea')];
let saving = false;
let sayHalfEdited = () => {};

studio.exampleEditor = ({element, props, watch}) => {
  const list = element.querySelector('.ls-editor');

  function fit(field) {
    field.style.height = 'auto';
    if (field.scrollHeight) field.style.height = `${field.scrollHeight + 2}px`;
  }
  function add([name, text], place, all) {
    const label = document.createElement('label');
    const count = all.filter(([other]) => other === name).length;
    const title = document.createElement('span');
    title.textContent = count > 1 ? `${name} ${all.slice(0, place + 1).filter(([other]) => other === name).length}` : name;
    const field = document.createElement('textarea');
    field.rows = 1;
    field.value = text;
    label.append(title, field);
    list.append(label);
    requestAnimationFrame(() => fit(field));
  }
  function fill() {
    const {key, fields} = props.value;
    if (list.dataset.key === key) return;
    if (!key && saving) studio.keep(DRAFT, null);
    saving = false;
    list.dataset.key = key;
    list.replaceChildren();
    const draft = studio.kept(DRAFT);
    const isDraft = key && draft?.key === key && draft.texts?.length === fields.length;
    fields.map(([name, text], place) => [name, isDraft ? draft.texts[place] : text]).forEach(add);
    sayHalfEdited(!key);
    // The box is shown a moment after its value came.
    setTimeout(() => {
      list.querySelectorAll('textarea').forEach(fit);
      if (key) list.querySelector('textarea')?.focus();
    }, 100);
  }

  list.addEventListener('input', (event) => {
    fit(event.target);
    saving = false;
    const number = String(props.value.number);
    studio.keep(DRAFT, {key: list.dataset.key, number, texts: fieldsOf().map((field) => field.value)});
  });
  watch('value', fill);
  fill();
};

// Says that an example was left half edited, with a way back to it.
studio.halfEdited = ({element, trigger}) => {
  sayHalfEdited = (isClosed) => {
    const draft = studio.kept(DRAFT);
    element.replaceChildren();
    if (!isClosed || !draft?.key) return;
    const buttons = document.createElement('div');
    buttons.className = 'ls-buttons';
    buttons.append(
      studio.button(studio.t('Go on editing'), () => trigger('click', {verb: 'resume', key: draft.key, value: draft.number})),
      studio.button(studio.t('Forget it'), () => { studio.keep(DRAFT, null); sayHalfEdited(true); }),
    );
    element.append(studio.warning(studio.t('You began to edit an example and did not save it.')), buttons);
  };
  sayHalfEdited(true);
};

// Puts what stands in the fields in the place of a listener's last input, and shows that it is being saved.
studio.readEdited = (...values) => {
  studio.holdPressed();
  saving = true;
  return [...values.slice(0, -1), fieldsOf().map((field) => field.value)];
};

// What is not to be saved is not kept either.
studio.forgetEdited = (...values) => {
  studio.keep(DRAFT, null);
  return values;
};
