// The arrow keys, where Gradio leaves them out: each of its radio buttons is a group of its own, and its tabs are plain
// buttons.

const STEPS = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1};
const GROUPS = {'input[type=radio]': 'fieldset, .block', '.tab-container button[role=tab]': '.tab-container'};

document.addEventListener('keydown', (event) => {
  const step = STEPS[event.key];
  if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
  for (const [each, group] of Object.entries(GROUPS)) {
    const all = event.target.matches?.(each) ? [...event.target.closest(group).querySelectorAll(each)] : [];
    const open = all.filter((element) => !element.disabled);
    if (open.length < 2) continue;
    const next = open[(open.indexOf(event.target) + step + open.length) % open.length];
    event.preventDefault();
    next.focus();
    if (next.type === 'radio') next.click();  // a tab is opened by Enter: what is behind it may be much
  }
});
