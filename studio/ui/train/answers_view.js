// Turns the pages of the answers, one page for each check. The slider stays at the newest, or at what is kept, unless it
// is moved.
studio.answers = ({element, props, watch}) => {
  const find = (name) => element.querySelector(name);
  const slider = find('#answers-check');
  let run = null, follows = true, turned = null;

  function turn(value) {
    const place = Math.min(Number(slider.value), value.pages.length - 1);
    find('output').textContent = value.names[place];
    slider.setAttribute('aria-valuetext', value.names[place]);
    // Its text was escaped where it was written.
    const page = value.pages[place];
    if (page !== turned) find('.ls-answers-pages').innerHTML = turned = page;
  }
  function draw() {
    const value = props.value ? JSON.parse(props.value) : null;
    const has = Boolean(value && value.pages.length);
    find('.ls-empty').style.display = has ? 'none' : '';
    find('.ls-answers-body').style.display = has ? '' : 'none';
    if (!value) return;
    if (!has) { find('.ls-empty').innerHTML = value.empty; return; }
    if (value.run !== run) { run = value.run; follows = true; }
    const last = value.pages.length - 1;
    find('.ls-answers-choice').style.display = last > 0 ? '' : 'none';
    slider.max = last;
    if (follows) slider.value = value.first;
    turn(value);
  }
  slider.addEventListener('input', () => {
    const value = JSON.parse(props.value);
    follows = Number(slider.value) === value.first;  // moved back to where it was, it follows again
    turn(value);
  });
  watch('value', draw);
  draw();
};
