// The forms come from report_numbers.py with the page; these functions only apply them, to the same text as Python does.

const MISSING = "–";
const MINUS = "\u2212";

function formatNumber(value, form) {
  if (value === null || !Number.isFinite(value)) return MISSING;
  const digits = Math.abs(value).toFixed(form.decimals);
  const [whole, fraction] = digits.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? `.${fraction}` : "");
  const zero = Number(digits) === 0;
  const sign = zero ? "" : value < 0 ? MINUS : form.signed ? "+" : "";
  return sign + grouped + form.unit;
}

function formatSpan(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return MISSING;
  if (seconds < 60) return seconds === Math.round(seconds) ? `${seconds}s` : `${seconds.toFixed(2)}s`;
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / 86400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  const [big, unit, small, smallUnit] = days ? [days, "d", hours, "h"] : hours ? [hours, "h", minutes, "m"] : [minutes, "m", whole % 60, "s"];
  return small ? `${big}${unit} ${small}${smallUnit}` : `${big}${unit}`;
}

/** The length of a bar as timeframes are written: 30m, 4h, 1d. */
function formatTimeframe(seconds) {
  const unit = [[86400, "d"], [3600, "h"], [60, "m"]].find(([size]) => seconds >= size && seconds % size === 0);
  return unit ? `${seconds / unit[0]}${unit[1]}` : `${seconds}s`;
}

function formatMoment(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return MISSING;
  const text = new Date(Math.floor(seconds * 1000 + 1e-6)).toISOString().replace("T", " ").replace("Z", "");
  return text.replace(/\.000$/, "").replace(/:00$/, "");
}

function formatSignificant(value) {
  if (value === null || !Number.isFinite(value)) return MISSING;
  return String(Number(value.toPrecision(6))).replace("-", MINUS);
}

function tone(value) {
  return value > 0 ? "gain" : value < 0 ? "loss" : "";
}

/** An element with a class, a text and children; texts never become markup. */
function element(tag, className = "", text = null, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}
