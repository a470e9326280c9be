// Gain on the task against what was forgotten, a point for each run.
studio.tradeoff = ({element, draw, colour, isNarrow, plain, frame}) => {
  const SYMBOLS = {lora: 'circle', qlora: 'square', 'qlora-8bit': 'diamond', full: 'triangle-up'};
  const chosen = () => element.querySelector('select[data-chart="forgetting"]').value;
  const ends = (points, axis) => ({type: 'data', symmetric: false, thickness: 1, width: 3,
    array: points.map((point) => point[axis].high - point[axis].value),
    arrayminus: points.map((point) => point[axis].value - point[axis].low)});
  const hasPoints = (value) => Boolean(value.points && value.points.length);

  function traces(value) {
    const probe = chosen();
    const kinds = [...new Set(value.points.map((point) => point.method))];
    return kinds.map((kind) => {
      const points = value.points.filter((point) => point.method === kind && point[probe]);
      const shade = points.length ? colour('--ls-part-' + points[0].shade) : 'grey';
      return {x: points.map((point) => point.gain.value), y: points.map((point) => point[probe].value),
        error_x: {...ends(points, 'gain'), color: shade}, error_y: {...ends(points, probe), color: shade},
        text: points.map((point) => plain(point.name)), name: plain(value.names[kind] || kind),
        type: 'scatter', mode: 'markers',
        marker: {size: 11, color: shade, symbol: SYMBOLS[kind] || 'x', line: {width: points.length ? 1 : 0,
          color: colour('--ls-surface')}},
        hovertemplate: `%{text}<br>${studio.t('{0} gain', `%{x:+.4~g} ${plain(value.gain_unit)}`)}<br>%{y:+.4~g} ${
          plain(value.units[probe])}<extra></extra>`};
    });
  }

  function layout(value, plot) {
    const {axis, layout} = frame(plot), narrow = isNarrow(plot), probe = chosen();
    const zero = {zeroline: true, zerolinecolor: colour('--ls-chart-text'), zerolinewidth: 1};
    return {
      ...layout,
      uirevision: value.revision + probe,
      height: narrow ? 280 : 235,
      margin: {...layout.margin, t: narrow ? 56 : 34},
      hovermode: 'closest',
      showlegend: true,
      xaxis: {...axis, ...zero, title: {text: plain(value.titles.gain), standoff: 8}, rangemode: 'tozero',
        nticks: narrow ? 5 : 9},
      yaxis: {...axis, ...zero, title: {text: narrow ? '' : plain(value.titles[probe]), standoff: 8}, nticks: 7,
        autorange: value.rising[probe] ? true : 'reversed'},
    };
  }

  element.querySelector('select[data-chart="forgetting"]').addEventListener('change', draw);

  return {hasPoints, traces, layout};
};
