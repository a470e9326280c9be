// How long the examples are, as bars; the longest that a run takes is a line.
studio.histogram = ({colour, isNarrow, frame}) => {
  const counted = (number) => number.toLocaleString(studio.spoken());
  const hasPoints = (value) => value.counts.length > 0;
  // The last bar may hold all that are far longer than most: it is drawn as wide as the others. A limit in it or far
  // beyond it would press all bars into a corner: an arrow stands for that.
  const width = (value) => value.highs[0] - value.lows[0];
  const end = (value) => value.lows[value.lows.length - 1] + width(value);
  const isOpen = (value, place) => value.highs[place] - value.lows[place] > width(value);
  const isFar = (value) => value.limit > 1.6 * end(value)
    || (value.limit > end(value) && value.limit < value.highs.at(-1));

  function traces(value) {
    const shade = (low) => colour(low >= value.limit ? '--ls-chart-held' : '--ls-chart-train');
    return [{
      type: 'bar',
      x: value.lows.map((low) => low + width(value) / 2),
      width: 0.92 * width(value),
      y: value.counts,
      customdata: value.lows.map((low, place) => isOpen(value, place) ? studio.t('{0} tokens or more', counted(low))
        : studio.t('{0} to {1} tokens', counted(low), counted(value.highs[place] - 1))),
      marker: {color: value.lows.map(shade), line: {width: 0}},
      hovertemplate: `${studio.t('{0} with {1}', '%{y:,}', '%{customdata}')}<extra></extra>`,
    }];
  }

  function layout(value, plot) {
    const {axis, layout} = frame(plot);
    const narrow = isNarrow(plot);
    const far = isFar(value);
    const ink = colour('--ls-chart-held');
    const first = Math.min(...value.lows);
    const last = far ? end(value) : Math.max(end(value), value.limit);
    const span = Math.max(last - first, 1);
    const open = narrow ? studio.t('tokens (last bar: all longer ones)')
      : studio.t('tokens (the last bar holds all that are longer)');
    const text = `${studio.t('limit: {0}', counted(value.limit))}${far ? ' →' : ''}`;
    return {
      ...layout,
      height: narrow ? 230 : 260,
      showlegend: false,
      bargap: 0,
      hovermode: 'closest',
      xaxis: {...axis, title: {text: isOpen(value, value.lows.length - 1) ? open : studio.t('tokens')}, showgrid: false,
        tickformat: ',~r', nticks: narrow ? 5 : 10, range: [first - 0.02 * span, last + 0.06 * span], autorange: false},
      yaxis: {...axis, title: {text: narrow ? '' : studio.t('examples'), standoff: 8}, rangemode: 'tozero',
        tickformat: ',~r', ...(Math.max(...value.counts) <= 5 ? {dtick: 1} : {nticks: 5})},
      shapes: far ? [] : [{type: 'line', x0: value.limit, x1: value.limit, yref: 'paper', y0: 0, y1: 1,
        line: {color: ink, width: 2, dash: 'dash'}}],
      annotations: [{text, showarrow: false, font: {color: ink, size: narrow ? 11 : 12}, yref: 'paper', y: 1,
        yanchor: 'bottom', xref: far ? 'paper' : 'x', x: far ? 1 : value.limit,
        xanchor: far || value.limit > first + 0.5 * span ? 'right' : 'left'}],
    };
  }

  return {hasPoints, traces, layout};
};
