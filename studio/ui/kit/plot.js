// A chart that keeps its node while its value changes, so that zoom and hover survive. Plotly draws it.
//
// `drawing` names the function that says what is drawn. It gets the component with the helpers below, and returns
// `hasPoints(value)`, `traces(value, plot)` and `layout(value, plot)`.
studio.plot = ({element, props, trigger, watch}, drawing, library) => {
  const plots = [...element.querySelectorAll('.ls-chart-plot')];
  const body = element.querySelector('.ls-chart-body');
  const empty = element.querySelector('.ls-chart-empty');
  const inSight = new Set();

  const colour = (name) => getComputedStyle(element).getPropertyValue(name).trim();
  const isNarrow = (plot) => plot.clientWidth < 520;
  // Plotly takes a name for HTML.
  const plain = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

  // What all charts have in common.
  function frame(plot) {
    const grid = colour('--ls-chart-grid'), text = colour('--ls-chart-text');
    return {
      axis: {gridcolor: grid, zerolinecolor: grid, linecolor: grid, automargin: true, fixedrange: false},
      layout: {
        separators: studio.separators(),
        margin: {l: 8, r: 12, t: 34, b: 8},
        paper_bgcolor: 'rgba(0,0,0,0)',
        plot_bgcolor: 'rgba(0,0,0,0)',
        font: {family: getComputedStyle(element).fontFamily, size: isNarrow(plot) ? 11 : 12, color: text},
        hoverlabel: {bgcolor: colour('--ls-surface'), bordercolor: grid, font: {color: colour('--body-text-color')}},
        legend: {orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', bgcolor: 'rgba(0,0,0,0)'},
        modebar: {bgcolor: 'rgba(0,0,0,0)', color: text, activecolor: colour('--ls-chart-train')},
      },
    };
  }

  const {hasPoints, traces, layout} = studio[drawing]({
    element, props, trigger, watch, plots, draw, colour, isNarrow, plain, frame,
  });

  function draw() {
    const value = props.value;
    const has = Boolean(value && hasPoints(value));
    empty.style.display = has ? 'none' : '';
    body.style.display = has ? '' : 'none';
    if (!has) return;
    for (const plot of plots) {
      if (plot.clientWidth === 0 || (plot.dataset.later !== undefined && !inSight.has(plot))) continue;
      if (!window.Plotly) { studio.load(library).then(draw, () => {}); return; }
      // Plotly's own toolbar offers to upload the chart to its maker: nothing leaves this machine.
      window.Plotly.react(plot, traces(value, plot), layout(value, plot), {responsive: true, displaylogo: false, locale: 'studio', locales: {studio: {dictionary: {
          Zoom: studio.t('Zoom'), Pan: studio.t('Pan'), 'Reset axes': studio.t('Reset axes')}}},
        displayModeBar: plot.clientWidth < 720 ? false : 'hover', showSendToCloud: false, plotlyServerURL: '',
        modeBarButtons: [['zoom2d', 'pan2d', 'resetScale2d']]});
    }
  }

  // What nobody sees costs nothing: the browser may sit on the machine that trains.
  const watcher = new IntersectionObserver((changes) => {
    changes.forEach(({target, isIntersecting}) => isIntersecting ? inSight.add(target) : inSight.delete(target));
    if (changes.some((change) => change.isIntersecting)) draw();
  }, {rootMargin: '100px'});
  plots.filter((each) => each.dataset.later !== undefined).forEach((each) => watcher.observe(each));

  watch('value', draw);
  draw();
  new ResizeObserver(draw).observe(element);
  new MutationObserver(draw).observe(document.body, {attributes: true, attributeFilter: ['class']});
};
