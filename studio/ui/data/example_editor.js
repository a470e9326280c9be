// The texts of one example as fields. What is typed stays in the browser until it is saved.

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
    list.dataset.key = key;
    list.replaceChildren();
    fields.forEach(add);
    // The box is shown a moment after its value came.
    setTimeout(() => {
      list.querySelectorAll('textarea').forEach(fit);
      if (key) list.querySelector('textarea')?.focus();
    }, 100);
  }

  list.addEventListener('input', (event) => fit(event.target));
  watch('value', fill);
  fill();
};

// Puts what stands in the fields in the place of a listener's last input, and shows that it is being saved.
studio.readEdited = (...values) => {
  studio.holdPressed();
  const fields = document.querySelectorAll('#data-editor .ls-editor textarea');
  return [...values.slice(0, -1), [...fields].map((field) => field.value)];
};
