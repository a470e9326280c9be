// The curves of a run: the loss, and small ones of what goes with it. The value is a text, read once.
studio.curves = ({element, props, trigger, watch, plots, draw, colour, isNarrow, frame}) => {
  let text = null, parsed = null;
  function read(value) {
    if (value !== text) { text = value; parsed = JSON.parse(value); }
    return parsed;
  }
  const hasPoints = (value) => typeof value === 'string' && value !== '';
  const chosen = (name) => element.querySelector(`select[data-chart="${name}"]`);
  const axisOf = (run) => chosen('axis').value === 'tokens' && !run.counted ? 'step' : chosen('axis').value;

  function unitOf(run) {
    const last = Math.max(0, ...run.loss.time.slice(-1));
    return last < 180 ? ['seconds', 1] : last < 3 * 3600 ? ['minutes', 60] : ['hours', 3600];
  }
  function along(run, series) {
    const axis = axisOf(run);
    if (axis !== 'time') return series[axis];
    const seconds = unitOf(run)[1];
    return series.time.map((each) => each / seconds);
  }
  function line(run, series, values, name, shade, extra) {
    // A few steps are no line yet: the first minutes of a run show each as a dot.
    const mode = values.length < 30 ? 'lines+markers' : 'lines';
    return {x: along(run, series), y: values, name, mode, type: 'scatter', line: {color: colour(shade), ...extra},
      marker: {size: 5, color: colour(shade)}, hovertemplate: '%{y:.4~g}'};
  }

  function traces(value, plot) {
    const run = read(value), panel = plot.dataset.panel;
    if (panel !== 'loss') return smallTraces(run, panel);
    const held = line(run, run.held_out, run.held_out.loss, 'held-out examples', '--ls-chart-held', {width: 2.2});
    return [
      line(run, run.loss, run.loss.raw, 'training, each step', '--ls-chart-raw', {width: 1.2}),
      line(run, run.loss, run.loss.smoothed, 'training, smoothed', '--ls-chart-train', {width: 2.6}),
      {...held, mode: 'lines+markers', marker: {size: 7, color: colour('--ls-chart-held')}},
    ];
  }
  function smallTraces(run, panel) {
    const drawn = [{...line(run, run.small, run.small[panel], 'measured', '--ls-chart-train', {width: 1.6})}];
    if (panel === 'memory_gib' && run.forecast !== null) {
      const ends = along(run, run.small);
      drawn.push({x: [ends[0], ends[ends.length - 1]], y: [run.forecast, run.forecast], name: 'forecast', mode: 'lines',
        type: 'scatter', line: {color: colour('--ls-chart-held'), width: 1.6, dash: 'dash'}, hovertemplate: '%{y:.4~g}'});
    }
    return drawn;
  }

  function layout(value, plot) {
    const run = read(value), {axis, layout} = frame(plot), narrow = isNarrow(plot), panel = plot.dataset.panel;
    const main = panel === 'loss', across = axisOf(run), unit = unitOf(run)[0];
    const last = Math.max(run.total, ...run.loss.step.slice(-1), ...run.held_out.step.slice(-1));
    const planned = across === 'step' && run.total > 0;
    const log = main && chosen('scale').value === 'log';
    const names = {step: 'step', tokens: 'tokens read', time: `${unit} of training`};
    return {
      ...layout,
      paper_bgcolor: colour('--ls-surface'),
      uirevision: run.run,
      height: main ? (narrow ? 280 : 340) : 150,
      margin: main ? {...layout.margin, t: narrow ? 52 : 34} : {l: 4, r: 8, t: 6, b: 4},
      font: {...layout.font, size: main ? layout.font.size : 11},
      showlegend: main,
      hovermode: 'x unified',
      xaxis: {...axis, title: main ? {text: names[across], standoff: 8} : undefined, rangemode: 'tozero',
        tickformat: across === 'time' ? '~g' : ',~s', uirevision: `${run.run} ${across} ${unit}`,
        nticks: Math.max(1, Math.min(main ? (narrow ? 5 : 10) : 4, across === 'step' ? last : 10)),
        ...(planned ? {range: [-0.012 * last, 1.02 * last], autorange: false} : {})},
      yaxis: {...axis, title: main && !narrow ? {text: 'loss', standoff: 8} : undefined, type: log ? 'log' : 'linear',
        rangemode: 'tozero', nticks: main ? 7 : 4, tickformat: panel === 'tokens_per_second' ? '.3~s' : '.4~g',
        uirevision: `${run.run} ${log}`},
    };
  }

  function remember(chooser) {
    try { localStorage.setItem(`ls-chart-${chooser.dataset.chart}`, chooser.value); } catch { /* it is not kept then */ }
  }
  element.querySelectorAll('select[data-chart]').forEach((chooser) => {
    let kept = null;
    try { kept = localStorage.getItem(`ls-chart-${chooser.dataset.chart}`); } catch { /* nothing is kept here */ }
    if ([...chooser.options].some((option) => option.value === kept)) chooser.value = kept;
    chooser.addEventListener('change', () => { remember(chooser); draw(); });
  });
  function offer() {
    if (!hasPoints(props.value)) return;
    const option = chosen('axis').querySelector('[value="tokens"]');
    option.disabled = !read(props.value).counted;
    option.textContent = option.disabled ? 'tokens (not counted in this run)' : 'tokens';
  }
  watch('value', offer);
  offer();

  element.querySelector('[data-chart="png"]').addEventListener('click', async () => {
    const run = read(props.value);
    const address = await window.Plotly.toImage(plots[0], {format: 'png', width: 1200, height: 560, scale: 2});
    studio.saveLink(address, `${run.run}-loss.png`);
  });
  element.querySelector('[data-chart="csv"]').addEventListener('click', () => {
    trigger('click', {verb: 'csv', key: read(props.value).run, value: ''});
  });

  return {hasPoints, traces, layout};
};
