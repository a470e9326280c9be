// The losses of several runs.
studio.overlay = ({colour, isNarrow, plain, frame}) => {
  const SYMBOLS = ['circle', 'square', 'diamond', 'cross', 'triangle-up', 'x', 'star'];
  const hasPoints = (value) => value.curves.some((curve) => curve.steps.length);

  function traces(value) {
    return value.curves.map((curve, place) => {
      const shade = colour('--ls-part-' + curve.shade);
      const dots = curve.steps.length < 30;
      return {x: curve.steps, y: curve.losses, name: plain(curve.name),
        type: 'scatter', mode: dots ? 'lines+markers' : 'lines',
        line: {color: shade, width: 2.2, dash: ['solid', 'dash', 'dot'][place % 3]},
        marker: {size: 6, color: shade, symbol: SYMBOLS[place % SYMBOLS.length]},
        hovertemplate: '%{y:.4f}'};
    });
  }

  function layout(value, plot) {
    const {axis, layout} = frame(plot);
    const narrow = isNarrow(plot);
    const lines = narrow ? value.curves.length : Math.ceil(value.curves.length / 4);
    return {
      ...layout,
      uirevision: value.revision,
      height: (narrow ? 280 : 340) + 20 * lines,
      margin: {...layout.margin, t: 20 * lines + 14},
      hovermode: 'x unified',
      showlegend: true,
      legend: {...layout.legend, orientation: narrow ? 'v' : 'h'},
      xaxis: {...axis, title: {text: 'step', standoff: 8}, rangemode: 'tozero', tickformat: ',~r',
        nticks: narrow ? 5 : 10},
      yaxis: {...axis, title: {text: narrow ? '' : 'loss', standoff: 8}, nticks: 7},
    };
  }

  return {hasPoints, traces, layout};
};
