// The losses of several runs.
studio.overlay = ({colour, isNarrow, plain, frame}) => {
  const SYMBOLS = ['circle', 'square', 'diamond', 'cross', 'triangle-up', 'x', 'star'];
  const WIDTH = 260, LONGEST = 26;
  const short = (name, longest) => name.length > longest ? `${name.slice(0, longest - 1)}\u2026` : name;
  const hasPoints = (value) => value.curves.some((curve) => curve.steps.length);

  function traces(value) {
    return value.curves.map((curve, place) => {
      const shade = colour('--ls-part-' + curve.shade);
      const dots = curve.steps.length < 30;
      // Losses over a part of the held-out examples say so: they are not quite those over all.
      const over = curve.part ? ` (${studio.t('{0} of {1}', ...curve.part.map((each) => each.toLocaleString(studio.spoken())))})` : '';
      return {x: curve.steps, y: curve.losses, name: plain(short(curve.name, LONGEST - over.length) + over),
        type: 'scatter', mode: dots ? 'lines+markers' : 'lines',
        line: {color: shade, width: 2.2, dash: ['solid', 'dash', 'dot'][place % 3]},
        marker: {size: 6, color: shade, symbol: SYMBOLS[place % SYMBOLS.length]},
        hovertemplate: '%{y:.4f}'};
    });
  }

  function layout(value, plot) {
    const {axis, layout} = frame(plot);
    const narrow = isNarrow(plot), last = Math.max(1, ...value.curves.flatMap((curve) => curve.steps.slice(-1)));
    // Each name has a place of its own, so that long ones do not lie over each other.
    const across = Math.max(1, Math.floor(plot.clientWidth / WIDTH)), lines = Math.ceil(value.curves.length / across);
    return {
      ...layout,
      uirevision: value.revision,
      height: (narrow ? 280 : 340) + 20 * lines,
      margin: {...layout.margin, t: 20 * lines + 14},
      hovermode: 'x unified',
      showlegend: true,
      legend: {...layout.legend, entrywidth: WIDTH - 50, entrywidthmode: 'pixels'},
      xaxis: {...axis, title: {text: studio.t('step'), standoff: 8}, rangemode: 'tozero', tickformat: ',~r',
        nticks: Math.min(narrow ? 5 : 10, last)},
      yaxis: {...axis, title: {text: narrow ? '' : studio.t('loss'), standoff: 8}, nticks: 7},
    };
  }

  return {hasPoints, traces, layout};
};
