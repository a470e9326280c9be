// The title of the browser's tab, and a notice at the end of a run. A hidden page asks `endpoint` for itself.
studio.notices = ({element, props, watch}, endpoint) => {
  const said = element.querySelector('[role="status"]');
  const buttons = Object.fromEntries([...element.querySelectorAll('button')].map((each) => [each.dataset.notice, each]));
  const kept = (name) => { try { return localStorage.getItem(`ls-${name}`) === 'yes'; } catch { return false; } };
  function keep(name, on) {
    try { localStorage.setItem(`ls-${name}`, on ? 'yes' : 'no'); } catch { /* then until the page is left */ }
  }
  const wanted = (name) => buttons[name].getAttribute('aria-pressed') === 'true';
  const set = (name, on) => { buttons[name].setAttribute('aria-pressed', String(on)); keep(name, on); };
  const allowed = () => 'Notification' in window && Notification.permission === 'granted';
  let before = null;

  let audio = null;
  function play() {
    audio = audio || new AudioContext();
    audio.resume();
    [[660, 0], [880, 0.18]].forEach(([pitch, start]) => {
      const tone = audio.createOscillator(), volume = audio.createGain(), from = audio.currentTime + start;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, from);
      volume.gain.exponentialRampToValueAtTime(0.001, from + 0.5);
      tone.connect(volume).connect(audio.destination);
      tone.start(from);
      tone.stop(from + 0.5);
    });
  }
  function announce(value) {
    if (wanted('sound')) play();
    if (!wanted('notify') || !allowed()) return;
    const notice = new Notification(`${value.name}: ${value.phase}`, {body: value.headline, tag: value.run});
    notice.onclick = () => { window.focus(); notice.close(); };
  }
  function arrive(text) {
    const value = text ? JSON.parse(text) : null;
    const same = before && value && before.run === value.run;
    const seen = Boolean(same && (before.working || before.seen));
    if (value && same && before.working && value.ended) announce(value);
    const state = !value ? '' : value.working ? (value.percent === null ? value.phase : `${value.percent} %`)
      : seen && value.ended ? value.phase : '';
    document.title = state ? `${state} · LoRA Studio` : 'LoRA Studio';
    before = value && {...value, seen};
    element.querySelector('.ls-notices').style.display = value && !value.ended ? '' : 'none';
  }

  buttons.notify.addEventListener('click', async () => {
    said.textContent = '';
    if (wanted('notify')) { set('notify', false); return; }
    if ('Notification' in window && Notification.permission !== 'granted') await Notification.requestPermission();
    set('notify', allowed());
    if (allowed()) return;
    said.textContent = studio.t(
      'This browser does not let the page notify you. Allow it in the settings of this site.');
  });
  buttons.sound.addEventListener('click', () => {
    set('sound', !wanted('sound'));
    if (wanted('sound')) play();
  });
  set('notify', kept('notify') && allowed());
  set('sound', kept('sound'));

  async function look() {
    if (!document.hidden || !before || !before.working) return;
    try {
      const answer = await fetch(`gradio_api/run/${endpoint}`, {method: 'POST',
        headers: {'Content-Type': 'application/json'}, body: JSON.stringify({data: [before.run]})});
      if (answer.ok) arrive((await answer.json()).data[0]);
    } catch { /* the server is away: the next look may find it */ }
  }
  setInterval(look, 5000);
  watch('value', () => arrive(props.value));
  arrive(props.value);
};
