// The table of trades: sorted and filtered as index lists, only the rows in view exist in the page.

const ROW_PX = 30;
const ROWS_BEYOND = 12;

function tradeColumns({ trades, forms, exitNames, instruments, priceForms }) {
  const number = (form) => (value) => formatNumber(value, form);
  const price = (value, i) => formatNumber(value, priceForms[trades.instrument[i]] || forms.ratio);
  const at = (name) => (i) => trades[name][i];
  const columns = [
    { key: "number", title: "#", wide: true, right: true, value: (i) => i + 1, text: String },
    { key: "instrument", title: isPhone() ? "Symbol" : "Instrument", value: at("instrument"), text: shortened(instruments), only: instruments.length > 1 },
    { key: "side", title: isPhone() ? "" : "Side", wide: new Set(trades.side).size < 2, value: at("side"), text: isPhone() ? (side) => (side === "LONG" ? "▲" : "▼") : String },
    { key: "entry_ts", title: "Entry", value: at("entry_ts"), text: momentText(trades) },
    { key: "entry_price", title: "Price", wide: true, right: true, value: at("entry_price"), text: price },
    { key: "exit_ts", title: "Exit", wide: true, value: at("exit_ts"), text: momentText(trades) },
    { key: "exit_price", title: "Price", wide: true, right: true, value: at("exit_price"), text: price },
    { key: "hold", title: "Held", wide: true, right: true, value: at("hold"), text: formatSpan },
    { key: "move", title: "Move", wide: true, right: true, value: at("move"), text: number(forms.percent_signed) },
    { key: "pnl", title: "Result", right: true, value: at("pnl"), text: number(forms.money_signed), tone: true },
    { key: "reason", title: "Exit by", value: at("reason"), text: (name) => exitNames[name] || name, mark: true },
    { key: "fees", title: "Fees", wide: true, right: true, value: at("fees"), text: number(forms.money) },
    { key: "funding", title: "Funding", wide: true, right: true, value: at("funding"), text: number(forms.money_signed) },
    { key: "qty", title: "Quantity", wide: true, right: true, value: at("qty"), text: formatSignificant },
  ];
  return columns.filter((column) => column.only !== false);
}

function isPhone() {
  return innerWidth < 600;
}

/** A moment to the second; on a phone to the minute, without the year when all trades began in one. */
function momentText({ entry_ts: entries }) {
  const whole = (seconds) => formatMoment(Number.isFinite(seconds) ? Math.floor(seconds) : seconds);
  if (!isPhone()) return whole;
  const isOneYear = new Set(Array.from(entries, (seconds) => whole(seconds).slice(0, 4))).size < 2;
  return (seconds) => whole(seconds).slice(isOneYear ? 5 : 2, 16);
}

/** A name without the venue and the market that all instruments share; the whole name is in the story of a trade. */
function shortened(instruments) {
  const shared = (read) => new Set(instruments.map((each) => read(each.name))).size === 1;
  const venue = shared((name) => name.split(":")[0]);
  const market = shared((name) => name.split("-").pop());
  return (name) => {
    const rest = venue ? name.slice(name.indexOf(":") + 1) : name;
    return market && rest.includes("-") ? rest.slice(0, rest.lastIndexOf("-")) : rest;
  };
}

class TradeLedger {
  constructor(run, onTrade) {
    this.run = run;
    this.onTrade = onTrade;
    this.columns = tradeColumns(run);
    this.host = document.getElementById("ledger");
    this.sort = { key: "entry_ts", up: true };
    this.filters = {};
    this.selected = -1;
    this.buildFilters();
    this.buildTable();
    this.arrange();
    this.host.addEventListener("scroll", () => this.paint(), { passive: true });
    this.host.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(this.host);
  }

  buildFilters() {
    const { trades, exitNames } = this.run;
    const host = document.getElementById("trade-filters");
    const counted = (name, named = (value) => value) => {
      const counts = new Map();
      for (let i = 0; i < trades.count; i += 1) counts.set(trades[name][i], (counts.get(trades[name][i]) || 0) + 1);
      return [...counts].sort((a, b) => b[1] - a[1]).map(([value, n]) => [value, `${named(value)} (${formatNumber(n, this.run.forms.count)})`]);
    };
    const results = [["gain", "Gains"], ["loss", "Losses"]];
    this.addFilter(host, "reason", "Exit by", counted("reason", (value) => exitNames[value] || value));
    this.addFilter(host, "instrument", "Instrument", counted("instrument"));
    this.addFilter(host, "side", "Side", counted("side"));
    this.addFilter(host, "tone", "Result", results);
    host.hidden = trades.count < 2;
    this.host.classList.toggle("few", trades.count < 12);
  }

  addFilter(host, name, title, choices) {
    if (choices.length < 2) return;
    const select = element("select", "", null, ...[["", "all"], ...choices].map(([value, text]) => {
      const option = element("option", "", text);
      option.value = value;
      return option;
    }));
    select.id = `filter-${name}`;
    select.addEventListener("change", () => { this.filters[name] = select.value; this.host.scrollTop = 0; this.arrange(); });
    host.append(element("label", "field", null, title, select));
  }

  buildTable() {
    const head = element("tr");
    for (const column of this.columns) {
      const button = element("button", "", column.title);
      button.type = "button";
      button.addEventListener("click", () => this.sortBy(column.key));
      const cell = element("th", classOf(column), null, button);
      cell.scope = "col";
      cell.dataset.key = column.key;
      column.head = cell;
      head.append(cell);
    }
    this.body = element("tbody");
    this.table = element("table", "", null, element("thead", "", null, head), this.body);
    this.host.replaceChildren(this.table);
    this.holdWidths();
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-trade]");
      if (row) this.onTrade(Number(row.dataset.trade));
    });
  }

  /** Columns keep the width of their longest text, so that rows scrolling in do not move them. */
  holdWidths() {
    const { count } = this.run.trades;
    const stride = Math.max(1, Math.floor(count / 400));
    for (const column of this.columns) {
      let longest = column.title.length + 2;
      for (let i = 0; i < count; i += stride) longest = Math.max(longest, column.text(column.value(i), i).length);
      column.head.style.minWidth = isPhone() ? `${longest * 0.5 + 0.9}em` : `${longest * 0.54 + 1.3}em`;
    }
  }

  sortBy(key) {
    const same = this.sort.key === key;
    this.sort = { key, up: same ? !this.sort.up : ["number", "entry_ts", "instrument", "side", "reason"].includes(key) };
    this.host.scrollTop = 0;
    this.arrange();
  }

  arrange() {
    const { trades } = this.run;
    const wanted = Object.entries(this.filters).filter(([, value]) => value);
    const rows = [];
    for (let i = 0; i < trades.count; i += 1) if (wanted.every(([name, value]) => trades[name][i] === value)) rows.push(i);
    const column = this.columns.find((each) => each.key === this.sort.key);
    const keys = new Map(rows.map((i) => [i, column.value(i)]));
    const way = this.sort.up ? 1 : -1;
    this.rows = rows.sort((a, b) => ordered(keys.get(a), keys.get(b), way) || a - b);
    for (const each of this.columns) {
      if (each === column) each.head.setAttribute("aria-sort", this.sort.up ? "ascending" : "descending");
      else each.head.removeAttribute("aria-sort");
    }
    this.describe();
    this.paint(true);
  }

  describe() {
    const { trades, forms } = this.run;
    const done = this.rows.filter((i) => trades.closed[i]);
    const sum = done.reduce((total, i) => total + trades.pnl[i], 0);
    const won = done.filter((i) => trades.pnl[i] > 0).length;
    const all = formatNumber(trades.count, forms.count);
    const shown = this.rows.length === trades.count ? `${all} trade${trades.count === 1 ? "" : "s"}` : `${formatNumber(this.rows.length, forms.count)} of ${all} trades`;
    const more = done.length ? ` · result ${formatNumber(sum, forms.money_signed)} · ${formatNumber((100 * won) / done.length, forms.share)} won` : "";
    document.getElementById("trades-note").textContent = shown + more;
  }

  paint(force = false) {
    const first = Math.max(0, Math.floor(this.host.scrollTop / ROW_PX) - ROWS_BEYOND);
    const last = Math.min(this.rows.length, Math.ceil((this.host.scrollTop + this.host.clientHeight) / ROW_PX) + ROWS_BEYOND);
    if (!force && first === this.first && last === this.last) return;
    [this.first, this.last] = [first, last];
    if (!this.rows.length) {
      const cell = element("td", "none", this.run.trades.count ? "No trade matches the filters." : "This run made no trades. “Why entries did not happen” below says why.");
      cell.colSpan = this.columns.length;
      this.body.replaceChildren(element("tr", "", null, cell));
      return;
    }
    const gap = (rows) => { const cell = element("td"); cell.colSpan = this.columns.length; cell.style.height = `${rows * ROW_PX}px`; return element("tr", "gap", null, cell); };
    this.body.replaceChildren(gap(first), ...this.rows.slice(first, last).map((i) => this.row(i)), gap(this.rows.length - last));
  }

  row(i) {
    const row = element("tr", "", null, ...this.columns.map((column) => {
      const value = column.value(i);
      const cell = element("td", `${classOf(column)} ${column.tone ? tone(value) : ""}`.trim(), column.text(value, i));
      cell.dataset.key = column.key;
      if (column.mark) cell.prepend(reasonMark(value));
      return cell;
    }));
    row.dataset.trade = i;
    row.setAttribute("aria-selected", String(i === this.selected));
    return row;
  }

  select(i) {
    this.selected = i;
    const at = this.rows.indexOf(i);
    if (at >= 0) {
      const top = at * ROW_PX;
      const room = this.host.clientHeight - 2 * ROW_PX;
      if (top < this.host.scrollTop) this.host.scrollTop = top;
      else if (top > this.host.scrollTop + room) this.host.scrollTop = top - room;
    }
    this.paint(true);
  }

  /** The trade `steps` rows from the selected one in the order of the table, -1 beyond its ends. */
  neighbour(steps) {
    const at = this.rows.indexOf(this.selected);
    return this.rows[at < 0 ? 0 : at + steps] ?? -1;
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!steps || event.target !== this.host) return;
    event.preventDefault();
    const next = this.neighbour(steps);
    if (next >= 0) this.onTrade(next, true);
  }
}

function classOf(column) {
  return `${column.right ? "n" : ""} ${column.wide ? "wideonly" : ""}`.trim();
}

/** Numbers by size with the unknown last, texts by alphabet. */
function ordered(a, b, way) {
  if (typeof a === "string") return way * a.localeCompare(b);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return way * (a - b);
}

function reasonMark(reason) {
  const mark = element("span", "mark");
  mark.style.setProperty("--mark", `var(--${REASON_VARIABLES[reason] || "trace"})`);
  return mark;
}

const REASON_VARIABLES = {
  ZE1: "ze1", E1: "e1", stop_loss: "stop", take_profit: "take", trailing: "trail", time: "time", liquidation: "liquidation", manual: "manual",
  strategy: "ze1",
};
