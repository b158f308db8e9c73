// The linked panes: price with trades, equity against buy-and-hold, drawdown. One chart, therefore one time axis.

const CANDLE_PX = 2.2; // with less room per bar a line of closes reads better than candles
const CLEAR = "rgba(0, 0, 0, 0)";

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["paper", "raised", "ink", "soft", "faint", "line", "accent", "gain", "loss", "trace", "s1", "o1", "z1", "ze1", "e1"];
  const palette = Object.fromEntries(names.map((name) => [name, read(name)]));
  return { ...palette, candleUp: read("candle-up"), candleDown: read("candle-down"), reasons: reasonColours(read) };
}

function reasonColours(read) {
  return {
    ZE1: read("ze1"), E1: read("e1"), stop_loss: read("stop"), take_profit: read("take"), trailing: read("trail"),
    time: read("time"), liquidation: read("liquidation"), manual: read("manual"),
    strategy: read("ze1"),
  };
}

function chartOptions(palette) {
  return {
    autoSize: true,
    layout: {
      background: { type: "solid", color: palette.raised }, textColor: palette.soft, fontSize: 11,
      fontFamily: "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif", attributionLogo: false,
      panes: { separatorColor: palette.line, enableResize: false },
    },
    grid: { vertLines: { visible: false }, horzLines: { color: palette.line, style: LightweightCharts.LineStyle.Dotted } },
    crosshair: {
      mode: LightweightCharts.CrosshairMode.Normal,
      vertLine: { color: palette.faint, width: 1, style: 3, labelBackgroundColor: palette.soft },
      horzLine: { color: palette.faint, width: 1, style: 3, labelBackgroundColor: palette.soft },
    },
    rightPriceScale: { borderVisible: false, minimumWidth: 62, entireTextOnly: true, scaleMargins: { top: 0.12, bottom: 0.08 } },
    timeScale: { borderColor: palette.line, timeVisible: true, secondsVisible: false, minBarSpacing: 0.005, rightOffset: 0, lockVisibleTimeRangeOnResize: true },
    handleScroll: { vertTouchDrag: false },
    localization: { timeFormatter: formatMoment },
  };
}

/** Candles and a line of closes in the first pane, one of them visible; trades above both. */
class PricePane {
  constructor(chart, palette) {
    this.chart = chart;
    this.candles = chart.addSeries(LightweightCharts.CandlestickSeries, { priceLineVisible: false, lastValueVisible: false });
    this.line = chart.addSeries(LightweightCharts.LineSeries, { priceLineVisible: false, lastValueVisible: false, lineWidth: 1, visible: false, crosshairMarkerVisible: false });
    this.marks = new TradeMarks(palette, this.candles);
    chart.panes()[0].attachPrimitive(this.marks);
    this.recolour(palette);
    chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.chooseShape());
  }

  recolour(palette) {
    this.marks.palette = palette;
    this.candles.applyOptions({
      upColor: palette.candleUp, downColor: palette.candleDown, wickUpColor: palette.candleUp, wickDownColor: palette.candleDown,
      borderVisible: false,
    });
    this.line.applyOptions({ color: palette.faint });
  }

  show(times, rows, decimals) {
    const at = rows.step;
    const data = Array.from(times, (time) => ({ time }));
    const closes = [];
    for (let i = 0; i < at.length; i += 1) {
      const time = times[at[i]];
      data[at[i]] = { time, open: rows.open[i], high: rows.high[i], low: rows.low[i], close: rows.close[i] };
      closes.push({ time, value: rows.close[i] });
    }
    const priceFormat = { type: "custom", minMove: 10 ** -decimals, formatter: (price) => formatNumber(price, { decimals, unit: "" }) };
    this.candles.applyOptions({ priceFormat });
    this.line.applyOptions({ priceFormat });
    this.candles.setData(data);
    this.line.setData(closes);
    this.chooseShape();
  }

  chooseShape() {
    const candles = this.chart.timeScale().options().barSpacing >= CANDLE_PX;
    if (candles === this.asCandles) return;
    this.asCandles = candles;
    this.candles.applyOptions({ visible: candles });
    this.line.applyOptions({ visible: !candles });
  }
}

/**
 * Equity with its extremes inside each step, buy-and-hold, drawdown. Buy-and-hold shares the equity's pane and scale; where it
 * would press the equity flat, a pane of its own shows both on one scale (isApart).
 */
class MoneyPanes {
  constructor(chart, palette, equity, times, form) {
    const { LineSeries, AreaSeries, CandlestickSeries } = LightweightCharts;
    const quiet = { priceLineVisible: false, lastValueVisible: false };
    const axisForm = { ...form, decimals: axisDecimals(equity.last) };
    const amounts = { type: "custom", minMove: 10 ** -form.decimals, formatter: (value) => formatNumber(value, axisForm) };
    this.isApart = Boolean(equity.hold) && pressesFlat(equity);
    while (chart.panes().length < (this.isApart ? 4 : 3)) chart.addPane(true); // a series of a pane that is missing would take the next free one
    this.extremes = equity.low ? chart.addSeries(CandlestickSeries, { ...quiet, borderVisible: false, priceFormat: amounts }, 1) : null;
    const holdAmounts = { ...amounts, formatter: (value) => formatNumber(value, { ...form, decimals: axisDecimals(equity.hold || equity.last) }) };
    this.hold = equity.hold ? chart.addSeries(LineSeries, { ...quiet, lineWidth: 1, lineStyle: 0, crosshairMarkerVisible: false, priceFormat: holdAmounts }, this.isApart ? 2 : 1) : null;
    this.beside = this.isApart ? chart.addSeries(LineSeries, { ...quiet, lineWidth: 1, crosshairMarkerVisible: false, priceFormat: holdAmounts }, 2) : null;
    this.equity = chart.addSeries(LineSeries, { ...quiet, lineWidth: 1.5, priceFormat: amounts, autoscaleInfoProvider: atLeast(1e-3) }, 1);
    this.drawdown = chart.addSeries(AreaSeries, { ...quiet, lineWidth: 1, priceFormat: { type: "custom", minMove: 0.01, formatter: (value) => formatNumber(value, { decimals: 1, unit: "%" }) }, autoscaleInfoProvider: fromZero }, this.isApart ? 3 : 2);
    this.fill(equity, times);
    this.recolour(palette);
    (this.isApart ? [4.6, 1.9, 1.6, 1.3] : [5, 2.4, 1.4]).forEach((share, pane) => chart.panes()[pane].setStretchFactor(share));
    this.drawdown.priceScale().applyOptions({ scaleMargins: { top: 0.04, bottom: 0.08 } });
    const margins = { top: innerWidth < 600 ? 0.34 : 0.18, bottom: 0.06 }; // room for the legend
    this.equity.priceScale().applyOptions({ scaleMargins: margins });
    if (this.isApart) this.hold.priceScale().applyOptions({ scaleMargins: { ...margins, top: Math.max(0.24, margins.top) } });
  }

  showHold(on) {
    for (const line of [this.hold, this.beside]) if (line) line.applyOptions({ visible: on });
  }

  fill(equity, times) {
    const curve = (values, sign = 1) => Array.from(equity.step, (step, i) => ({ time: times[step], value: sign * values[i] }));
    this.equity.setData(curve(equity.last));
    this.drawdown.setData(curve(equity.drawdown, -1));
    if (this.hold) this.hold.setData(curve(equity.hold));
    if (this.beside) this.beside.setData(curve(equity.last));
    if (this.extremes) {
      this.extremes.setData(Array.from(equity.step, (step, i) =>
        ({ time: times[step], open: equity.last[i], close: equity.last[i], high: equity.high[i], low: equity.low[i] })));
    }
  }

  recolour(palette) {
    this.equity.applyOptions({ color: palette.accent });
    if (this.hold) this.hold.applyOptions({ color: palette.trace });
    if (this.beside) this.beside.applyOptions({ color: palette.accent });
    if (this.extremes) this.extremes.applyOptions({ upColor: CLEAR, downColor: CLEAR, wickUpColor: rgba(palette.accent, 0.4), wickDownColor: rgba(palette.accent, 0.4) });
    this.drawdown.applyOptions({ lineColor: palette.loss, topColor: rgba(palette.loss, 0.06), bottomColor: rgba(palette.loss, 0.22), invertFilledArea: true });
  }
}

/** An autoscale that never magnifies a flat curve beyond a share of its value. */
function atLeast(share) {
  return (original) => {
    const found = original();
    if (!found || !found.priceRange) return found;
    const { minValue, maxValue } = found.priceRange;
    const short = Math.max(0, (Math.abs(maxValue) * share - (maxValue - minValue)) / 2);
    return { ...found, priceRange: { minValue: minValue - short, maxValue: maxValue + short } };
  };
}

/** Drawdown is always seen against zero. */
function fromZero(original) {
  const found = original();
  return found && found.priceRange ? { ...found, priceRange: { minValue: Math.min(-0.5, found.priceRange.minValue), maxValue: 0 } } : found;
}

function rgba(hex, alpha) {
  const part = (at) => parseInt(hex.slice(at, at + 2), 16);
  return `rgba(${part(1)}, ${part(3)}, ${part(5)}, ${alpha})`;
}

/** On one scale with buy-and-hold the equity would take less than a quarter of the height. */
function pressesFlat({ last, hold }) {
  return reachOf(last) < reachOf([...last, ...hold]) / 4;
}

function reachOf(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  return high - low;
}

/** Decimals for the labels of an axis: none where the range is thousands, more where it is cents. */
function axisDecimals(values) {
  const reach = reachOf(values);
  return reach > 50 || !(reach > 0) ? 0 : Math.min(8, Math.max(1, 2 - Math.floor(Math.log10(reach))));
}

/** Where a stamp lies on the ordinal axis of a grid {times, width, coarse}: its step, and how far into it. */
function logicalPosition(grid, seconds) {
  const step = lastAtOrBefore(grid.times, seconds);
  if (step < 0) return 0;
  const within = Math.min(1, (seconds - grid.times[step]) / grid.width);
  return within === 0 && !grid.coarse ? step : step + within - 0.5;
}
