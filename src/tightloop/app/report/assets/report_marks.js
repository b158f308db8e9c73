// Trades and signals drawn on the price: a pane primitive of the chart library, so that thousands cost one canvas pass.

const ROOM_FULL_PX = 22; // width per visible trade from which its marks are drawn large,
const ROOM_SMALL_PX = 10; // small,
const ROOM_TINY_PX = 3; // tiny; with less room only the path from entry to exit
const ROOM_LABEL_PX = 90; // from which the reason of the exit is written beside it
const REACH_PX = 12; // how near the pointer must be

class TradeMarks {
  /** trades: {count, entryAt, exitAt, entryPrice, exitPrice, parts, long, won, colour, label, known}; At: logical positions. */
  constructor(palette, series) {
    this.palette = palette;
    this.series = series;
    this.trades = null;
    this.signals = null;
    this.selected = -1;
    this.showTrades = true;
    this.showSignals = false;
    this.drawn = [];
  }

  attached({ chart, requestUpdate }) {
    this.chart = chart;
    this.requestUpdate = requestUpdate;
  }

  refresh() {
    if (this.requestUpdate) this.requestUpdate();
  }

  paneViews() {
    return [{ zOrder: () => "top", renderer: () => ({ draw: (target) => this.draw(target) }) }];
  }

  draw(target) {
    const scale = this.chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const origin = scale.logicalToCoordinate(0);
    const spacing = scale.logicalToCoordinate(1) - origin;
    this.x = (at) => origin + at * spacing;
    this.drawn = [];
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      if (this.showSignals && this.signals) this.drawSignals(context, mediaSize, range);
      if (this.showTrades && this.trades) this.drawTrades(context, mediaSize, range);
    });
  }

  drawTrades(context, { width }, range) {
    const { trades } = this;
    const visible = [];
    for (let i = 0; i < trades.count; i += 1) {
      if (trades.exitAt[i] >= range.from - 1 && trades.entryAt[i] <= range.to + 1) visible.push(i);
    }
    const room = width / Math.max(1, visible.length);
    const size = room >= ROOM_FULL_PX ? 6 : room >= ROOM_SMALL_PX ? 4.5 : room >= ROOM_TINY_PX ? 2.8 : 1.5;
    const points = visible.map((i) => this.place(i));
    context.lineCap = "round";
    if (room < ROOM_TINY_PX) this.drawCrowd(context, points, room);
    else for (const point of points) this.drawPath(context, point);
    for (const point of points) if (size >= 2 || point.trade === this.selected) this.drawEnds(context, point, size);
    if (room >= ROOM_LABEL_PX) this.drawLabels(context, points, width);
    context.globalAlpha = 1;
    this.drawn.push(...points);
  }

  place(i) {
    const { trades } = this;
    return {
      trade: i,
      x: this.x(trades.entryAt[i]),
      y: this.series.priceToCoordinate(trades.entryPrice[i]),
      toX: this.x(trades.exitAt[i]),
      toY: this.series.priceToCoordinate(trades.exitPrice[i]),
      parts: trades.parts[i].map((part) => ({ x: this.x(part.at), y: this.series.priceToCoordinate(part.price), isEntry: part.isEntry })),
    };
  }

  pathColour(trade) {
    const won = this.trades.won[trade];
    return won > 0 ? this.palette.gain : won < 0 ? this.palette.loss : this.palette.trace;
  }

  /** Very many paths: one stroke per colour, since a stroke per trade would make panning stutter. */
  drawCrowd(context, points, room) {
    const paths = new Map();
    for (const { trade, x, y, toX, toY } of points) {
      const colour = this.pathColour(trade);
      if (!paths.has(colour)) paths.set(colour, new Path2D());
      paths.get(colour).moveTo(x, y);
      paths.get(colour).lineTo(toX, toY);
    }
    context.globalAlpha = 0.7;
    context.lineWidth = room >= 1 ? 1.5 : 1;
    for (const [colour, path] of paths) { context.strokeStyle = colour; context.stroke(path); }
  }

  /** From entry to exit; through every execution where there were several. */
  drawPath(context, { trade, x, y, toX, toY, parts }) {
    const chosen = trade === this.selected;
    context.strokeStyle = this.pathColour(trade);
    context.globalAlpha = chosen ? 1 : 0.8;
    context.lineWidth = chosen ? 2.5 : 1.5;
    context.setLineDash(this.trades.known[trade] ? [] : [4, 4]);
    context.beginPath();
    const way = parts.length ? parts : [{ x, y }];
    way.forEach((part, k) => (k ? context.lineTo(part.x, part.y) : context.moveTo(part.x, part.y)));
    if (!parts.length || !this.trades.known[trade]) context.lineTo(toX, toY);
    context.stroke();
    context.setLineDash([]);
  }

  drawEnds(context, { trade, x, y, toX, toY, parts }, size) {
    const chosen = trade === this.selected;
    const radius = chosen ? Math.max(size, 6) : size;
    context.globalAlpha = 1;
    context.lineWidth = radius > 4 ? 1.5 : 0.5;
    context.strokeStyle = this.palette.raised;
    const entries = parts.length ? parts.filter((part) => part.isEntry) : [{ x, y }];
    const exits = parts.length ? parts.filter((part) => !part.isEntry) : this.trades.known[trade] ? [{ x: toX, y: toY }] : [];
    context.fillStyle = this.palette.z1;
    for (const part of entries) triangle(context, part.x, part.y, radius, this.trades.long[trade]);
    context.fillStyle = this.trades.colour[trade];
    for (const part of exits) {
      context.beginPath();
      context.arc(part.x, part.y, radius * 0.75, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }

  /** Reasons beside the exits, as far as they do not cover each other; that of the chosen trade always. */
  drawLabels(context, points, width) {
    const taken = [];
    const first = points.filter((point) => point.trade === this.selected);
    for (const point of [...first, ...points.filter((other) => other.trade !== this.selected)]) {
      const box = this.labelBox(context, point, width);
      if (taken.some((other) => overlap(box, other))) continue;
      taken.push(box);
      this.drawLabel(context, point, box);
    }
  }

  labelBox(context, { trade, toX, toY, y }, width) {
    context.font = "11px system-ui, sans-serif";
    const half = context.measureText(this.trades.label[trade]).width / 2 + 3;
    const x = Math.min(toX, width - 1 - half);
    const below = toY > y;
    const top = below ? toY + 7 : toY - 22;
    return { x, below, left: x - half, right: x + half, top, bottom: top + 15 };
  }

  drawLabel(context, { trade, toY }, { x, below }) {
    context.textAlign = "center";
    context.textBaseline = below ? "top" : "bottom";
    context.lineWidth = 3;
    context.strokeStyle = this.palette.raised;
    context.fillStyle = this.palette.ink;
    context.strokeText(this.trades.label[trade], x, toY + (below ? 9 : -9));
    context.fillText(this.trades.label[trade], x, toY + (below ? 9 : -9));
  }

  drawSignals(context, { height }, range) {
    const { signals } = this;
    for (let i = 0; i < signals.count; i += 1) {
      if (signals.at[i] < range.from - 1 || signals.at[i] > range.to + 1) continue;
      const point = { signal: i, x: this.x(signals.at[i]), y: height - 10 - 9 * signals.lane[i] };
      context.fillStyle = signals.colour[i];
      context.beginPath();
      context.moveTo(point.x, point.y - 4);
      context.lineTo(point.x + 4, point.y);
      context.lineTo(point.x, point.y + 4);
      context.lineTo(point.x - 4, point.y);
      context.fill();
      this.drawn.push({ ...point, toX: point.x, toY: point.y, parts: [] });
    }
  }

  /** What is drawn nearest to a point: {trade} or {signal}, null when nothing is in reach. */
  nearest({ x, y }) {
    let best = null;
    let reach = REACH_PX;
    for (const point of this.drawn) {
      const ends = point.parts.length ? point.parts : [point, { x: point.toX, y: point.toY }];
      const away = Math.min(...ends.map((end) => Math.hypot(end.x - x, end.y - y)), toSegment(point, x, y) + 4);
      if (away < reach) { reach = away; best = point; }
    }
    return best;
  }
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

function toSegment({ x: ax, y: ay, toX: bx, toY: by }, x, y) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = length ? Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
  return Math.hypot(ax + along * (bx - ax) - x, ay + along * (by - ay) - y);
}

/** A triangle whose tip touches the price: from below for a long, from above for a short. */
function triangle(context, x, y, radius, long) {
  const way = long ? 1 : -1;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + radius, y + way * radius * 1.7);
  context.lineTo(x - radius, y + way * radius * 1.7);
  context.closePath();
  context.stroke();
  context.fill();
}
