// Lists of buttons and choosers in HTML components.

// Shows at once that a data set is being changed: the pressed button says so, and no other change can be asked for.
// Ends once the card of that change has come and gone; buttons that were drawn again meanwhile are new.
studio.holdFixes = (pressed) => {
  const all = [...document.querySelectorAll('button[data-fixes], button.ls-fixes')].filter((each) => !each.disabled);
  const began = Date.now();
  let seen = began;
  pressed?.classList.add('ls-working');
  all.forEach((each) => { each.disabled = true; });
  const look = setInterval(() => {
    if (document.querySelector('#data-imports [data-changes]')) { seen = Date.now(); return; }
    // Before it is seen, it has not begun yet; after it, what it made is still to be drawn.
    if (Date.now() - seen < (seen === began ? 5000 : 1500)) return;
    clearInterval(look);
    pressed?.classList.remove('ls-working');
    all.forEach((each) => { each.disabled = false; });
  }, 250);
};

// The same for a button of Gradio's that has the class `ls-fixes`.
studio.holdPressed = (...values) => {
  studio.holdFixes(document.activeElement?.closest('button.ls-fixes'));
  return values;
};

studio.bringUp = (question) => {
  question.querySelector('button')?.focus({preventScroll: true});
  question.scrollIntoView({behavior: 'smooth', block: 'nearest'});
};

studio.actions = ({element, trigger, watch}) => {
  const send = (source, value) => {
    trigger('click', {verb: source.dataset.verb, key: source.dataset.key || '', value});
    if (source.dataset.scroll) studio.scrollTo(source.dataset.scroll);
  };
  element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-verb]');
    if (!button || button.disabled) return;
    send(button, '');
    if (button.dataset.fixes !== undefined) studio.holdFixes(button);
    if (button.dataset.once === undefined) return;
    button.disabled = true;
    setTimeout(() => { button.disabled = false; }, 1500);
  });
  // A button that is drawn again between pressing and letting go gets no click: the press counts all the same.
  let pressed = null;
  element.addEventListener('pointerdown', ({target}) => { pressed = target.closest('button[data-verb]'); });
  element.addEventListener('pointerup', ({target}) => {
    const again = target.closest('button[data-verb]');
    const isSame = again && pressed && again.dataset.verb === pressed.dataset.verb && again.dataset.key === pressed.dataset.key;
    if (isSame && !pressed.isConnected) again.click();
    pressed = null;
  });
  element.addEventListener('change', (event) => {
    if (event.target.matches('select[data-verb]')) send(event.target, event.target.value);
  });
  // What is chosen is a matter of the markup: the browser keeps what a person chose, also when the page says otherwise.
  watch('value', () => element.querySelectorAll('select').forEach((chooser) => {
    const chosen = chooser.querySelector('option[selected]');
    if (chosen) chooser.value = chosen.value;
  }));
  // A question that a press brought up comes into sight, with the focus on its first answer.
  let asking = false;
  watch('value', () => setTimeout(() => {
    const asked = element.querySelector('[data-asks]');
    if (asked && !asking) studio.bringUp(asked);
    asking = Boolean(asked);
  }));
  // So does one that opens where it is pressed, and it stays open when it is drawn again meanwhile.
  let unfolded = '';
  const asks = (details) => {
    const {verb, key} = details.querySelector('button[data-verb]').dataset;
    return `${verb} ${key}`;
  };
  element.addEventListener('toggle', ({target}) => {
    if (!target.isConnected || !target.matches('details.ls-ask')) return;
    if (target.open && unfolded !== asks(target)) studio.bringUp(target);
    unfolded = target.open ? asks(target) : '';
  }, true);
  watch('value', () => element.querySelectorAll('details.ls-ask').forEach((each) => {
    if (asks(each) === unfolded) each.open = true;
  }));
  // What is drawn again while a person uses it keeps the focus, or the keyboard would begin at the top of the page.
  let held = null;
  document.addEventListener('focusin', ({target}) => {
    held = element.contains(target) ? target.closest('[data-verb]') : null;
  });
  document.addEventListener('pointerdown', ({target}) => { if (!element.contains(target)) held = null; });
  watch('value', () => {
    if (!held || held.isConnected || document.activeElement !== document.body) return;
    const {verb, key} = held.dataset;
    const same = [...element.querySelectorAll('[data-verb]')]
      .find((each) => each.dataset.verb === verb && each.dataset.key === key);
    same?.focus({preventScroll: true});
  });
};
