import { useCallback, useState, type ReactNode } from "react";
import { useAct } from "../frame/keys.ts";
import { t, type Key } from "../text/text.ts";

export interface Column<Row> {
  readonly title: Key;
  readonly isNumber?: boolean;
  /** Left out on a phone. */
  readonly isDesk?: boolean;
  readonly cell: (row: Row) => ReactNode;
}

interface Shown<Row> {
  caption: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  keyOf: (row: Row) => string;
  /** Enter on the row that the keys chose. */
  open?: (row: Row) => void;
}

/** Rows with their keys: j and k go down and up, Enter opens. */
export function Table<Row>({ caption, rows, columns, keyOf, open }: Shown<Row>) {
  const [current, setCurrent] = useState(-1);
  useAct(
    "down",
    useCallback(() => setCurrent((at) => Math.min(rows.length - 1, at + 1)), [rows.length]),
  );
  useAct(
    "up",
    useCallback(() => setCurrent((at) => Math.max(0, at - 1)), []),
  );
  const openCurrent = useCallback(() => {
    const row = rows[current];
    if (row !== undefined) {
      open?.(row);
    }
  }, [rows, current, open]);
  useAct("open", openCurrent);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption className="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={classOf(column)}>
                {t(column.title)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            <tr key={keyOf(row)} data-current={at === current}>
              {columns.map((column) => (
                <td key={column.title} className={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf<Row>(column: Column<Row>): string {
  return [column.isNumber === true ? "number" : "", column.isDesk === true ? "desk" : ""].filter(Boolean).join(" ");
}
