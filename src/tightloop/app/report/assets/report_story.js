// One trade told: its figures, each execution where there were several, and which conditions fired for it.

const FILLS_TOLD = 40;

function tradeLines(run, i) {
  const { trades, forms, exitNames } = run;
  const price = (value) => formatNumber(value, run.priceForms[trades.instrument[i]] || forms.ratio);
  const done = trades.closed[i];
  return [
    [`#${i + 1} ${trades.side[i]} ${formatSignificant(trades.qty[i])}`],
    [`in ${formatMoment(trades.entry_ts[i])} ${averaged(trades.fills[i], true)} ${price(trades.entry_price[i])}`],
    done ? [`out ${formatMoment(trades.exit_ts[i])} ${averaged(trades.fills[i], false)} ${price(trades.exit_price[i])}`] : ["still open"],
    ...(done ? [[`${exitNames[trades.reason[i]] || trades.reason[i]}, held ${formatSpan(trades.hold[i])}`]] : []),
    [`result ${formatNumber(trades.pnl[i], forms.money_signed)}${done ? ` (move ${formatNumber(trades.move[i], forms.percent_signed)})` : ""}`, tone(trades.pnl[i])],
  ];
}

function signalLines(run, i) {
  const { firings } = run;
  return [[`${firings.section[i]} ${{ S1: "signal detected", O1: "signal cancelled" }[firings.section[i]] || ""}`], [formatMoment(firings.ts[i])],
    ...conditionsOf(run, i).map((condition) => [conditionText(condition)])];
}

/** The conditions of a firing: its shape carries the words, the columns the numbers. */
function conditionsOf(run, i) {
  const { firings, shapes } = run;
  const shape = firings.shape[i];
  if (!(shape >= 0)) return [];
  return shapes[shape].map((condition, place) => ({
    ...condition, value: firings.values[firings.at[i] + 2 * place], threshold: condition.threshold ?? firings.values[firings.at[i] + 2 * place + 1],
  }));
}

function conditionText({ variant, operator, value, threshold, verdict }) {
  const limit = typeof threshold === "number" ? formatSignificant(threshold) : String(threshold);
  const mark = { TRUE: "✓", FALSE: "✗", UNKNOWN: "?" }[verdict] || "";
  return `${mark} ${variant} ${formatSignificant(value)} ${operator.replace("_", " ")} ${limit}`.trim();
}

/** "at" for one execution, how many and "average" for several. */
function averaged(fills, isEntry) {
  const count = fills.filter((fill) => fill.isEntry === isEntry).length;
  return count > 1 ? `${count} fills, average` : "at";
}

/** Every execution of a trade that had several: a small table, the first FILLS_TOLD of them. */
function storyFills(run, i) {
  const { trades, forms } = run;
  const fills = trades.fills[i];
  if (!fills.length) return [];
  const price = run.priceForms[trades.instrument[i]] || forms.ratio;
  const titles = ["Fill", "", "Price", "Quantity", "Fee"];
  const line = (tag, texts) => element("tr", "", null, ...texts.map((text, k) => element(tag, k > 1 ? "n" : "", text)));
  const rows = fills.slice(0, FILLS_TOLD).map((fill) =>
    line("td", [formatMoment(fill.ts), fill.isEntry ? "in" : "out", formatNumber(fill.price, price), formatSignificant(fill.qty), formatNumber(fill.fee, forms.money)]));
  const rest = fills.length - rows.length;
  if (rest > 0) rows.push(line("td", [`and ${rest} more in fills.parquet`]));
  return [element("table", "fills", null, element("thead", "", null, line("th", titles)), element("tbody", "", null, ...rows))];
}

function storyPieces(run, i) {
  const { trades, forms } = run;
  const price = (value) => formatNumber(value, run.priceForms[trades.instrument[i]] || forms.ratio);
  return [
    ["Entry", `${formatMoment(trades.entry_ts[i])}\n${averaged(trades.fills[i], true)} ${price(trades.entry_price[i])}`],
    ["Exit", trades.closed[i] ? `${formatMoment(trades.exit_ts[i])}\n${averaged(trades.fills[i], false)} ${price(trades.exit_price[i])}` : "still open"],
    ["Held", formatSpan(trades.hold[i])],
    ["Quantity", formatSignificant(trades.qty[i])],
    ["Move in its favour", formatNumber(trades.move[i], forms.percent_signed), tone(trades.move[i])],
    ["Fees", formatNumber(trades.fees[i], forms.money)],
    ["Funding", formatNumber(trades.funding[i], forms.money_signed)],
    ["Result, net", formatNumber(trades.pnl[i], forms.money_signed), tone(trades.pnl[i])],
    ["Trade", trades.trade_id[i]],
    ["Signal", trades.signal_id[i]],
  ];
}

function storyWhys(run, i) {
  const { firings, trades } = run;
  const found = [];
  for (let j = 0; j < firings.count; j += 1) if (firings.trade[j] === i) found.push(j);
  return found.map((j) => {
    const conditions = conditionsOf(run, j).map(conditionText);
    if (!conditions.length) conditions.push("at once: it has no condition of its own");
    const list = element("ul", "", null, ...conditions.map((text) => element("li", "", text)));
    const mark = element("span", "mark diamond");
    mark.style.setProperty("--mark", `var(--${firings.section[j].toLowerCase()})`);
    return element("div", "", null, element("h4", "", null, mark, `${firings.section[j]} · ${formatMoment(firings.ts[j])}`), list);
  });
}

function tellTrade(run, i, actions) {
  const { trades, exitNames } = run;
  const host = document.getElementById("story");
  const button = (text, act, label) => {
    const made = element("button", "", text);
    made.type = "button";
    made.setAttribute("aria-label", label);
    if (act) made.addEventListener("click", act); else made.disabled = true;
    return made;
  };
  const title = `Trade ${i + 1}: ${trades.side[i]} ${trades.instrument[i]}, ${trades.closed[i] ? `exit by ${exitNames[trades.reason[i]] || trades.reason[i]}` : "still open"}`;
  const turns = element("span", "turns", null, button("←", actions.previous, "Previous trade"), button("→", actions.next, "Next trade"), button("Close", actions.close, "Close the trade"));
  const pieces = element("dl", "pieces", null, ...storyPieces(run, i).map(([name, text, className]) =>
    element("div", "", null, element("dt", "", name), element("dd", className || "", text))));
  const whys = storyWhys(run, i);
  host.replaceChildren(element("div", "bar", null, element("h3", "", title), turns), pieces, ...storyFills(run, i), ...(whys.length ? [element("div", "whys", null, ...whys)] : []));
  host.hidden = false;
}
