// The table of events: filters by event and venue, pages of 200 rows, and all of what is shown as CSV.
const PAGE = 200;
const EVENTS = JSON.parse(document.getElementById("events-json").textContent);
const COLUMNS = ["time", "event", "venue", "asset", "amount", "value", "note"];
const view = { event: "", venue: "", page: 0 };

function text(value) {
  if (value === null) return "–";
  return typeof value === "number" ? value.toLocaleString("en-US", { maximumSignificantDigits: 8 }).replace("-", "−") : value;
}

function kept() {
  return EVENTS.filter((row) => (!view.event || row[1] === view.event) && (!view.venue || row[2] === view.venue));
}

function show() {
  const rows = kept();
  const last = Math.max(0, Math.ceil(rows.length / PAGE) - 1);
  view.page = Math.min(view.page, last);
  const body = document.getElementById("event-rows");
  body.textContent = "";
  for (const row of rows.slice(view.page * PAGE, (view.page + 1) * PAGE)) {
    const line = document.createElement("tr");
    row.forEach((value, at) => {
      const cell = document.createElement("td");
      cell.textContent = text(value);
      if (at === 4 || at === 5) cell.className = "n";
      line.append(cell);
    });
    body.append(line);
  }
  document.getElementById("event-count").textContent = `${rows.length.toLocaleString("en-US")} events, page ${view.page + 1} of ${last + 1}`;
  document.getElementById("event-back").disabled = view.page === 0;
  document.getElementById("event-on").disabled = view.page === last;
}

function options(id, at, name) {
  const select = document.getElementById(id);
  for (const value of ["", ...new Set(EVENTS.map((row) => row[at]).filter((each) => each !== null))]) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = value || "all";
    select.append(option);
  }
  select.addEventListener("change", () => { view[name] = select.value; view.page = 0; show(); });
}

function turn(by) { view.page += by; show(); }

function save() {
  const quoted = (value) => (value === null ? "" : typeof value === "number" ? String(value) : `"${value.replaceAll('"', '""')}"`);
  const lines = [COLUMNS.join(","), ...kept().map((row) => row.map(quoted).join(","))];
  const link = document.createElement("a");
  link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(lines.join("\n"))}`;
  link.download = "events.csv";
  link.click();
}

options("event-kind", 1, "event");
options("event-venue", 2, "venue");
document.getElementById("event-back").addEventListener("click", () => turn(-1));
document.getElementById("event-on").addEventListener("click", () => turn(1));
document.getElementById("event-save").addEventListener("click", save);
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", () => navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent));
}
show();
