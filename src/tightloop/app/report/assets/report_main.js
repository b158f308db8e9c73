// Opens the packed columns, then builds the chart, the table and the switches.

const DAY_S = 86400;
const RANGES = [["1D", DAY_S], ["1W", 7 * DAY_S], ["1M", 30 * DAY_S], ["3M", 91 * DAY_S], ["1Y", 365 * DAY_S]];

async function readRun() {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const blob = await openBlob(document.getElementById("columns").textContent);
  const grid = { ...facts.grid, times: unpack(facts.grid.times, blob) };
  const instruments = facts.instruments.map((each) => ({ ...unpackBars(each, blob) }));
  const trades = deriveTrades(unpackAll(facts.trades, blob), unpackAll(facts.fills, blob));
  const firings = unpackAll(facts.firings, blob);
  firings.count = firings.ts.length;
  const priceForms = Object.fromEntries(instruments.map((each) => [each.name, { decimals: each.decimals, unit: "" }]));
  return { ...facts, grid, instruments, equity: unpackAll(facts.equity, blob), trades, firings, priceForms };
}

function unpackBars(each, blob) {
  const { name, decimals, bars, detail, ...columns } = each;
  return { name, decimals, bars, ...unpackAll(columns, blob), detail: detail ? unpackAll(detail, blob) : null };
}

function deriveTrades(trades, fills) {
  const count = trades.entry_ts.length;
  const every = (read) => Array.from({ length: count }, (_, i) => read(i));
  const closed = every((i) => !Number.isNaN(trades.exit_ts[i]));
  const parts = every(() => []);
  fills.trade.forEach((trade, k) => parts[trade].push({ ts: fills.ts[k], price: fills.price[k], qty: fills.qty[k], fee: fills.fee[k], isEntry: fills.is_entry[k] > 0 }));
  return {
    ...trades,
    count,
    closed,
    fills: parts,
    hold: every((i) => trades.exit_ts[i] - trades.entry_ts[i]),
    move: every((i) => (trades.side[i] === "SHORT" ? -1 : 1) * (trades.exit_price[i] / trades.entry_price[i] - 1) * 100),
    tone: every((i) => (closed[i] ? tone(trades.pnl[i]) : "")),
  };
}

function start(run) {
  let view = null;
  let ledger = null;
  const open = (i) => {
    const instrument = view.showTrade(i);
    if (instrument >= 0) document.getElementById("instrument").value = String(instrument);
    ledger.select(i);
    const [previous, next] = [ledger.neighbour(-1), ledger.neighbour(1)];
    tellTrade(run, i, { previous: previous >= 0 ? () => open(previous) : null, next: next >= 0 ? () => open(next) : null, close });
    press(null);
  };
  const close = () => {
    document.getElementById("story").hidden = true;
    view.leaveDetail();
    ledger.select(-1);
  };
  const openFromTable = (i, stay = false) => {
    open(i);
    const stage = document.getElementById("chart");
    if (!stay && stage.getBoundingClientRect().bottom < 240) stage.scrollIntoView();
  };
  view = new RunView(run, open);
  ledger = new TradeLedger(run, openFromTable);
  wireTools(run, view);
  document.getElementById("leave-detail").addEventListener("click", () => view.leaveDetail());
  addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
}

function wireTools(run, view) {
  const select = document.getElementById("instrument");
  run.instruments.forEach((each, i) => { const option = element("option", "", each.name); option.value = i; select.append(option); });
  select.value = String(view.instrument);
  select.addEventListener("change", () => { view.leaveDetail(); view.showInstrument(Number(select.value)); });
  document.getElementById("instrument-field").hidden = run.instruments.length < 2;
  document.getElementById("hold-field").hidden = !run.equity.hold;
  document.getElementById("show-signals").parentElement.hidden = run.firings.count === 0;
  for (const [id, name] of [["show-trades", "trades"], ["show-signals", "signals"], ["show-hold", "hold"], ["log-price", "log"]]) {
    const box = document.getElementById(id);
    box.addEventListener("change", () => view.turn(name, box.checked));
  }
  const note = run.grid.coarse ? ` One candle holds ${formatTimeframe(run.grid.width)}; a short trade opens on its own ${formatTimeframe(run.grid.barSeconds)} bars.` : "";
  document.getElementById("chart-note").textContent += note;
  rangeButtons(run, view);
}

function rangeButtons(run, view) {
  const { times } = run.grid;
  const reach = times.length ? times[times.length - 1] - times[0] : 0;
  const fitting = RANGES.filter(([, seconds]) => seconds < reach * 0.9 && seconds >= 8 * run.grid.width);
  for (const [text, seconds] of [...fitting, ["All", 0]]) {
    const button = element("button", "", text);
    button.type = "button";
    button.addEventListener("click", () => { if (seconds) view.showLast(seconds); else view.showAll(); press(button); });
    document.getElementById("ranges").append(button);
    if (!seconds) press(button);
  }
}

function press(pressed) {
  for (const button of document.querySelectorAll("#ranges button")) button.setAttribute("aria-pressed", String(button === pressed));
}

function wireCopies() {
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = document.getElementById(button.dataset.copies);
      try { await navigator.clipboard.writeText(text.textContent); } catch { getSelection().selectAllChildren(text); document.execCommand("copy"); }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
}

function followSections() {
  const links = [...document.querySelectorAll("nav a")];
  const mark = () => {
    const passed = links.filter((link) => document.querySelector(link.hash).getBoundingClientRect().top < 120);
    const here = passed[passed.length - 1];
    for (const link of links) link.classList.toggle("here", link === here);
  };
  addEventListener("scroll", mark, { passive: true });
  mark();
}

wireCopies();
followSections();
readRun().then((run) => {
  start(run);
  document.documentElement.dataset.ready = "true";
}).catch((error) => {
  console.error(error);
  document.getElementById("stage").replaceChildren(element("p", "callout", `The charts could not be built in this browser: ${error.message}`));
});
