// The curves of a run: the loss, and small ones of what goes with it. The value is a text, read once.
studio.curves = ({element, props, trigger, watch, plots, draw, colour, isNarrow, plain, frame}) => {
  let text = null, parsed = null;
  function read(value) {
    if (value !== text) { text = value; parsed = JSON.parse(value); }
    return parsed;
  }
  const scoredPart = element.querySelector('[data-chart="part"]');
  const asText = (number) => number.toLocaleString(studio.spoken());
  const hasPoints = (value) => typeof value === 'string' && value !== '';
  const chosen = (name) => element.querySelector(`select[data-chart="${name}"]`);
  const axisOf = (run) => chosen('axis').value === 'tokens' && !run.counted ? 'step' : chosen('axis').value;

  function unitOf(run) {
    const last = Math.max(0, ...run.loss.time.slice(-1));
    return last < 180 ? [studio.t('seconds of training'), 1]
      : last < 3 * 3600 ? [studio.t('minutes of training'), 60] : [studio.t('hours of training'), 3600];
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
    const name = run.part.length ? studio.t('{0} of {1} held-out examples', ...run.part.map(asText)) : studio.t('held-out examples');
    const held = line(run, run.held_out, run.held_out.loss, name, '--ls-chart-held', {width: 2.2});
    return [
      line(run, run.loss, run.loss.raw, studio.t('training, each step'), '--ls-chart-raw', {width: 1.2}),
      line(run, run.loss, run.loss.smoothed, studio.t('training, smoothed'), '--ls-chart-train', {width: 2.6}),
      {...held, mode: 'lines+markers', marker: {size: 7, color: colour('--ls-chart-held')}},
    ];
  }
  function smallTraces(run, panel) {
    const drawn = [{...line(run, run.small, run.small[panel], studio.t('measured'), '--ls-chart-train', {width: 1.6})}];
    if (panel === 'memory_gib' && run.forecast !== null) {
      const ends = along(run, run.small);
      drawn.push({x: [ends[0], ends[ends.length - 1]], y: [run.forecast, run.forecast], name: studio.t('estimated'), mode: 'lines',
        type: 'scatter', line: {color: colour('--ls-chart-held'), width: 1.6, dash: 'dash'}, hovertemplate: '%{y:.4~g}'});
    }
    return drawn;
  }

  // Where the result was taken from, where that is not the last step: a line with its name.
  function keptAt(run) {
    const {step} = run.loss, place = step.findLastIndex((each) => each <= run.kept);
    return along(run, run.loss)[Math.max(0, place)];
  }
  function keptLine(run) {
    const x = keptAt(run);
    return {type: 'line', x0: x, x1: x, y0: 0, y1: 1, yref: 'paper',
      line: {color: colour('--ls-chart-text'), width: 1.4, dash: 'dot'}};
  }
  function keptName(run) {
    return {x: keptAt(run), y: 1, yref: 'paper', yanchor: 'top', xanchor: 'left', xshift: 4, showarrow: false,
      text: studio.t('step {0} is kept', run.kept), font: {size: 11, color: colour('--ls-chart-text')}};
  }

  function layout(value, plot) {
    const run = read(value), {axis, layout} = frame(plot), narrow = isNarrow(plot), panel = plot.dataset.panel;
    const main = panel === 'loss', across = axisOf(run), unit = unitOf(run)[0];
    const last = Math.max(run.total, ...run.loss.step.slice(-1), ...run.held_out.step.slice(-1));
    const planned = across === 'step' && run.total > 0;
    const log = main && chosen('scale').value === 'log';
    const names = {step: studio.t('step'), tokens: studio.t('tokens read'), time: unit};
    return {
      ...layout,
      paper_bgcolor: colour('--ls-surface'),
      uirevision: run.run,
      height: main ? 264 : 170,
      margin: main ? {...layout.margin, t: narrow ? 52 : 34} : {l: 4, r: 8, t: 6, b: 24},
      font: {...layout.font, size: main ? layout.font.size : 11},
      showlegend: main,
      shapes: main && run.kept ? [keptLine(run)] : [],
      annotations: main && run.kept ? [keptName(run)] : [],
      hovermode: 'x unified',
      xaxis: {...axis, title: {text: names[across], standoff: main ? 8 : 4}, rangemode: 'tozero',
        tickformat: across === 'time' ? '~g' : ',~s', uirevision: `${run.run} ${across} ${unit}`,
        nticks: Math.max(1, Math.min(main ? (narrow ? 5 : 10) : 4, across === 'step' ? last : 10)),
        ...(planned ? {range: [-0.012 * last, 1.02 * last], autorange: false} : {})},
      yaxis: {...axis, title: main && !narrow ? {text: studio.t('loss'), standoff: 8} : undefined, type: log ? 'log' : 'linear',
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
    const part = read(props.value).part.map(asText);
    scoredPart.hidden = !part.length;
    scoredPart.textContent = part.length ? studio.t('The held-out curve is over the same {0} of {1} examples at every check, so that checks stay quick. All of them are scored at the start and the end.', ...part) : '';
    option.textContent = option.disabled ? studio.t('tokens (not counted in this run)') : studio.t('tokens');
  }
  watch('value', offer);
  offer();

  element.querySelector('[data-chart="png"]').addEventListener('click', async () => {
    const run = read(props.value);
    const {data, layout: shown} = plots[0];
    const title = {text: studio.t('{0}: loss by {1}', plain(run.name), shown.xaxis.title.text), x: 0.02, xanchor: 'left'};
    const layout = {...shown, title, height: undefined, margin: {l: 60, r: 24, t: 96, b: 60}};
    const picture = {format: 'png', width: 1200, height: 600, scale: 2};
    const address = await window.Plotly.toImage({data, layout}, picture);
    studio.saveLink(address, `${run.run}-loss.png`);
  });
  element.querySelector('[data-chart="csv"]').addEventListener('click', () => {
    trigger('click', {verb: 'csv', key: read(props.value).run, value: ''});
  });

  return {hasPoints, traces, layout};
};
