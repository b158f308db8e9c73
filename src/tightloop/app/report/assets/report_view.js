// What the reader sees of the run: the whole of it on the grid, or one stretch of bars around a trade.

const LABEL_PX = 18; // half of a year's label on the axis of times

class RunView {
  /** run: see report_main.js. onTrade(i) is called when a mark is clicked. */
  constructor(run, onTrade) {
    this.run = run;
    this.onTrade = onTrade;
    this.palette = readPalette();
    this.instrument = firstShown(run);
    this.selected = -1;
    this.switches = { trades: true, signals: false };
    this.buildWhole();
    this.buildDetail();
    this.showInstrument(this.instrument);
    this.showAll();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  buildWhole() {
    const host = document.getElementById("whole");
    const { grid, equity, forms } = this.run;
    this.whole = LightweightCharts.createChart(host, chartOptions(this.palette));
    this.price = new PricePane(this.whole, this.palette);
    this.money = equity.step.length ? new MoneyPanes(this.whole, this.palette, equity, grid.times, forms.money) : null;
    this.legends = this.whole.panes().map(() => host.appendChild(element("div", "legend")));
    this.whole.subscribeCrosshairMove((event) => this.hover(event, this.price, this.whole, host));
    this.whole.subscribeClick((event) => this.click(event, this.price));
    this.whole.timeScale().subscribeVisibleLogicalRangeChange(() => this.legend(null));
    new ResizeObserver(() => this.placeLegends()).observe(host);
  }

  buildDetail() {
    const host = document.getElementById("detail");
    if (!this.run.instruments.some((each) => each.detail)) return;
    this.closeup = LightweightCharts.createChart(host, chartOptions(this.palette));
    this.closePrice = new PricePane(this.closeup, this.palette);
    this.closeLegend = host.appendChild(element("div", "legend"));
    this.closeLegend.style.top = "6px";
    this.closeup.subscribeCrosshairMove((event) => this.hover(event, this.closePrice, this.closeup, host));
    this.closeup.subscribeClick((event) => this.click(event, this.closePrice));
  }

  showInstrument(index) {
    const shown = this.run.instruments[index];
    const range = this.whole.timeScale().getVisibleLogicalRange();
    this.instrument = index;
    this.price.show(this.run.grid.times, shown, shown.decimals);
    this.price.marks.trades = this.marksOf(this.run.grid, () => true, this.price.marks);
    this.price.marks.signals = this.signalMarks(this.run.grid);
    if (range) this.whole.timeScale().setVisibleLogicalRange(range);
    this.legend(null);
  }

  /** The trades of the shown instrument that `wanted` admits, placed on a grid. */
  marksOf(grid, wanted, marks) {
    const { trades, instruments } = this.run;
    const name = instruments[this.instrument].name;
    const chosen = [];
    for (let i = 0; i < trades.count; i += 1) if (trades.instrument[i] === name && wanted(i)) chosen.push(i);
    marks.numbers = chosen;
    const bars = instruments[this.instrument];
    const end = grid.times[grid.times.length - 1];
    const of = (read) => chosen.map(read);
    return {
      count: chosen.length,
      entryAt: of((i) => logicalPosition(grid, trades.entry_ts[i])),
      exitAt: of((i) => logicalPosition(grid, trades.closed[i] ? trades.exit_ts[i] : end)),
      entryPrice: of((i) => trades.entry_price[i]),
      exitPrice: of((i) => (trades.closed[i] ? trades.exit_price[i] : bars.close[bars.close.length - 1])),
      parts: of((i) => trades.fills[i].map((fill) => ({ at: logicalPosition(grid, fill.ts), price: fill.price, isEntry: fill.isEntry }))),
      long: of((i) => trades.side[i] === "LONG"),
      won: of((i) => (trades.closed[i] ? Math.sign(trades.pnl[i]) : 0)),
      colour: of((i) => this.palette.reasons[trades.reason[i]] || this.palette.trace),
      label: of((i) => this.run.exitNames[trades.reason[i]] || trades.reason[i]),
      known: of((i) => trades.closed[i]),
    };
  }

  signalMarks(grid) {
    const { firings, instruments } = this.run;
    const name = instruments[this.instrument].name;
    const lanes = { S1: 0, O1: 1 };
    const chosen = [];
    for (let i = 0; i < firings.count; i += 1) if (firings.instrument[i] === name && firings.section[i] in lanes) chosen.push(i);
    return {
      count: chosen.length,
      numbers: chosen,
      at: chosen.map((i) => logicalPosition(grid, firings.ts[i])),
      lane: chosen.map((i) => lanes[firings.section[i]]),
      colour: chosen.map((i) => this.palette[firings.section[i].toLowerCase()]),
    };
  }

  showAll() {
    this.leaveDetail();
    const count = this.run.grid.times.length;
    const margin = Math.max(0.018, LABEL_PX / Math.max(1, this.whole.timeScale().width())) * count; // the first label is not cut
    this.whole.timeScale().setVisibleLogicalRange({ from: -0.5 - margin, to: count - 0.5 + margin });
  }

  /** The last `seconds` before the right edge of what is shown. */
  showLast(seconds) {
    this.leaveDetail();
    const { times } = this.run.grid;
    const range = this.whole.timeScale().getVisibleLogicalRange();
    const right = Math.max(1, Math.min(times.length - 1, Math.round(range ? range.to : times.length - 1)));
    const left = Math.max(0, lastAtOrBefore(times, times[right] - seconds));
    this.whole.timeScale().setVisibleLogicalRange({ from: left - 0.5, to: right + 0.5 });
  }

  showTrade(i) {
    const { trades, instruments, grid } = this.run;
    const index = instruments.findIndex((each) => each.name === trades.instrument[i]);
    this.selected = i;
    if (index >= 0 && index !== this.instrument) this.showInstrument(index);
    this.price.marks.selected = this.price.marks.numbers.indexOf(i);
    const entry = logicalPosition(grid, trades.entry_ts[i]);
    const exit = trades.closed[i] ? logicalPosition(grid, trades.exit_ts[i]) : grid.times.length - 1;
    const margin = Math.max(20, (exit - entry) * 0.4);
    this.whole.timeScale().setVisibleLogicalRange({ from: entry - margin, to: exit + margin });
    this.price.marks.refresh();
    if (!this.showDetail(i)) this.leaveDetail();
    return index;
  }

  showDetail(i) {
    const { trades, instruments } = this.run;
    const { detail, decimals } = instruments[this.instrument];
    const stretch = detail && trades.closed[i] ? stretchAround(detail, trades.entry_ts[i], trades.exit_ts[i]) : null;
    if (!stretch) return false;
    const grid = { times: stretch.ts, width: this.run.grid.barSeconds, coarse: false };
    const first = stretch.ts[0];
    const last = stretch.ts[stretch.ts.length - 1] + grid.width;
    this.swap(true);
    this.closePrice.show(stretch.ts, stretch, decimals);
    const { marks } = this.closePrice;
    marks.trades = this.marksOf(grid, (j) => trades.closed[j] && trades.exit_ts[j] >= first && trades.entry_ts[j] <= last, marks);
    marks.selected = marks.numbers.indexOf(i);
    marks.showTrades = true;
    const entry = logicalPosition(grid, trades.entry_ts[i]);
    const exit = logicalPosition(grid, trades.exit_ts[i]);
    const margin = Math.max(18, (exit - entry) * 0.4);
    this.closeup.timeScale().setVisibleLogicalRange({ from: entry - margin, to: exit + margin });
    this.stretch = stretch;
    this.detailLegend(null);
    return true;
  }

  leaveDetail() {
    this.swap(false);
  }

  swap(detail) {
    document.getElementById("detail").classList.toggle("away", !detail);
    document.getElementById("whole").classList.toggle("away", detail);
    document.getElementById("leave-detail").hidden = !detail;
  }

  turn(name, on) {
    if (name === "trades") this.price.marks.showTrades = on;
    if (name === "signals") this.price.marks.showSignals = on;
    if (name === "hold" && this.money) this.money.showHold(on);
    if (name === "log") {
      for (const pane of [this.price, this.closePrice]) if (pane) pane.candles.priceScale().applyOptions({ mode: on ? 1 : 0 });
    }
    this.price.marks.refresh();
  }

  hover(event, pane, chart, host) {
    if (chart === this.whole) this.legend(event); else this.detailLegend(event);
    const hit = event.point && event.paneIndex === 0 ? pane.marks.nearest(event.point) : null;
    host.style.cursor = hit && "trade" in hit ? "pointer" : "";
    showBubble(hit, this.hitLines(hit, pane), event.point, host);
  }

  hitLines(hit, pane) {
    if (!hit) return [];
    if ("trade" in hit) return tradeLines(this.run, pane.marks.numbers[hit.trade]);
    return signalLines(this.run, pane.marks.signals.numbers[hit.signal]);
  }

  click(event, pane) {
    const hit = event.point && event.paneIndex === 0 ? pane.marks.nearest(event.point) : null;
    if (hit && "trade" in hit) this.onTrade(pane.marks.numbers[hit.trade]);
  }

  legend(event) {
    const { grid, instruments, equity, forms } = this.run;
    const shown = instruments[this.instrument];
    const at = this.pointedAt(event);
    const moment = grid.times[at] !== undefined ? [["", formatMoment(grid.times[at])]] : [];
    fillLegend(this.legends[0], shown.name, [...moment, ...priceValues(shown, lastAtOrBefore(shown.step, at), shown.decimals)]);
    if (!this.money) return;
    const row = lastAtOrBefore(equity.step, at);
    const style = this.palette;
    const own = ["Equity", formatNumber(equity.last[row] ?? null, forms.money), style.accent];
    const hold = ["Buy and hold", formatNumber(equity.hold?.[row] ?? null, forms.money), style.trace];
    const { isApart } = this.money;
    fillLegend(this.legends[1], "", equity.hold && !isApart ? [own, hold] : [own]);
    if (isApart) fillLegend(this.legends[2], "", [hold, ["beside equity", "", style.accent]]);
    const last = this.legends[this.legends.length - 1];
    fillLegend(last, "", [["Drawdown", formatNumber(row < 0 ? null : -equity.drawdown[row], forms.percent), style.loss]]);
  }

  /** The step under the pointer; without one the last that is shown. */
  pointedAt(event) {
    const last = this.run.grid.times.length - 1;
    if (event && event.point && Number.isFinite(event.logical)) return Math.max(0, Math.min(last, Math.round(event.logical)));
    const range = this.whole.timeScale().getVisibleLogicalRange();
    return range ? Math.max(0, Math.min(last, Math.round(range.to))) : last;
  }

  detailLegend(event) {
    const at = event && event.logical !== undefined && event.point ? Math.round(event.logical) : this.stretch.ts.length - 1;
    const row = Math.max(0, Math.min(this.stretch.ts.length - 1, at));
    const { name, decimals } = this.run.instruments[this.instrument];
    fillLegend(this.closeLegend, `${name} · ${formatTimeframe(this.run.grid.barSeconds)} bars`, [["", formatMoment(this.stretch.ts[row])], ...priceValues(this.stretch, row, decimals)]);
  }

  placeLegends() {
    const panes = this.whole.panes();
    let top = 0;
    this.legends.forEach((legend, pane) => {
      const height = panes[pane].getHeight();
      const isDrawdown = this.money && pane === panes.length - 1;
      legend.style.top = `${isDrawdown ? top + height - 24 : top + 6}px`;
      top += height + 1;
    });
  }

  recolour() {
    this.palette = readPalette();
    for (const [chart, pane] of [[this.whole, this.price], [this.closeup, this.closePrice]]) {
      if (!chart) continue;
      chart.applyOptions(chartOptions(this.palette));
      pane.recolour(this.palette);
    }
    if (this.money) this.money.recolour(this.palette);
    this.showInstrument(this.instrument);
    if (this.selected >= 0) this.price.marks.selected = this.price.marks.numbers.indexOf(this.selected);
  }
}

/** The instrument a page opens on: the first with a trade, else the first with bars. */
function firstShown({ instruments, trades }) {
  const traded = new Set(trades.instrument);
  const withTrade = instruments.findIndex((each) => each.step.length > 0 && traded.has(each.name));
  return withTrade >= 0 ? withTrade : Math.max(0, instruments.findIndex((each) => each.step.length > 0));
}

/** The stretch of full-resolution bars that holds a whole trade, null when it does not travel with the page. */
function stretchAround(detail, entry, exit) {
  const starts = Array.from(detail.from, (from) => detail.ts[from]);
  const which = lastAtOrBefore(starts, entry);
  if (which < 0) return null;
  const from = detail.from[which];
  const to = from + detail.count[which];
  if (detail.ts[to - 1] < exit) return null;
  const part = (name) => detail[name].subarray(from, to);
  const step = Array.from({ length: to - from }, (_, i) => i);
  return { step, ts: part("ts"), open: part("open"), high: part("high"), low: part("low"), close: part("close") };
}

function priceValues(rows, row, decimals) {
  if (row < 0) return [];
  const text = (value) => formatNumber(value, { decimals, unit: "" });
  if (innerWidth < 600) return [["close", text(rows.close[row])]];
  return [["O", text(rows.open[row])], ["H", text(rows.high[row])], ["L", text(rows.low[row])], ["C", text(rows.close[row])]];
}

function fillLegend(host, title, pairs) {
  const parts = pairs.map(([label, value, colour]) => {
    const span = element("span");
    if (colour) { const swatch = element("i"); swatch.style.borderColor = colour; span.append(swatch); }
    span.append(label ? `${label} ` : "", element("b", "", value));
    return span;
  });
  host.replaceChildren(...(title ? [element("span", "", null, element("b", "", title))] : []), ...parts);
}

function showBubble(hit, lines, point, host) {
  const bubble = document.getElementById("bubble");
  bubble.hidden = !hit;
  if (!hit) return;
  bubble.replaceChildren(...lines.map(([text, className = ""], i) => element("p", `${i ? "" : "first "}${className}`, text)));
  const left = point.x + 16 + bubble.offsetWidth > host.clientWidth ? point.x - bubble.offsetWidth - 12 : point.x + 16;
  bubble.style.left = `${Math.max(4, left)}px`;
  bubble.style.top = `${Math.max(4, point.y - bubble.offsetHeight / 2)}px`;
}
