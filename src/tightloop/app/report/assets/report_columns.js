// Reads the packed columns; the writer is report_columns.py, which describes the format.

const UNKNOWN_INT = -2147483648;

async function openBlob(text) {
  const raw = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function together(blob, at, width, count) {
  const bytes = new Uint8Array(width * count);
  for (let place = 0; place < width; place += 1) {
    const start = at + place * count;
    for (let row = 0; row < count; row += 1) bytes[row * width + place] = blob[start + row];
  }
  return bytes.buffer;
}

function unpack(reference, blob) {
  if (!reference) return null;
  if (reference.names) return Array.from(unpack(reference.index, blob), (index) => reference.names[index]);
  if (reference.kind === "text") {
    return JSON.parse(new TextDecoder().decode(blob.subarray(reference.at, reference.at + reference.size)));
  }
  if (reference.kind === "double") return new Float64Array(together(blob, reference.at, 8, reference.count));
  if (reference.kind === "single") return Float64Array.from(new Float32Array(together(blob, reference.at, 4, reference.count)));
  const steps = new Int32Array(together(blob, reference.at, 4, reference.count));
  const values = new Float64Array(reference.count);
  let whole = 0;
  for (let row = 0; row < reference.count; row += 1) {
    whole = (whole + steps[row]) | 0;
    values[row] = whole === UNKNOWN_INT ? NaN : reference.base + whole / reference.per;
  }
  return values;
}

function unpackAll(group, blob) {
  return Object.fromEntries(Object.entries(group).map(([name, reference]) =>
    [name, reference && typeof reference === "object" ? unpack(reference, blob) : reference]));
}

/** Index of the last entry <= value, -1 before the first. */
function lastAtOrBefore(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1; else high = middle;
  }
  return low - 1;
}
