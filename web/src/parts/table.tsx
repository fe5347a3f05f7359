// The main instrument: a table with a sticky head and first column, sorting by the caller, keyboard (j, k, enter), and
// virtual rows, so that ten thousand cost no more than fifty.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Column<Row> {
  key: string;
  title: string;
  number?: boolean;
  sortable?: boolean;
  wrap?: boolean; // long text; only in tables of a few rows, because virtual rows are equally high
  cell: (row: Row) => ComponentChildren;
  exact?: (row: Row) => string;
}

interface Props<Row> {
  columns: Column<Row>[];
  rows: Row[];
  id: (row: Row) => string;
  label: string;
  sort?: { key: string; descending: boolean };
  onSort?: (key: string) => void;
  onOpen?: (row: Row) => void;
  onEnd?: () => void; // the last rows have come into view
}

const rowHeight = 28;
const extraRows = 10;

export function Table<Row>({ columns, rows, id, label, sort, onSort, onOpen, onEnd }: Props<Row>) {
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const [chosen, setChosen] = useState(-1);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - extraRows);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowHeight) + extraRows);

  const measure = () => {
    const box = frame.current;
    // Never less than the window: the frame grows with its rows, so before the first ones it is only a head.
    if (box) setView({ top: box.scrollTop, height: Math.max(box.clientHeight, window.innerHeight) });
  };
  useEffect(() => {
    measure();
    window.addEventListener("resize", measure);
    return () => window.removeEventListener("resize", measure);
  }, []);
  useEffect(() => {
    if (last >= rows.length && rows.length) onEnd?.();
  }, [last, rows.length]);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    const row = rows[chosen];
    if (step) {
      const next = Math.min(rows.length - 1, Math.max(0, chosen + step));
      setChosen(next);
      const box = frame.current!;
      const y = next * rowHeight;
      if (y < box.scrollTop) box.scrollTop = y;
      else if (y + 2 * rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = y + 2 * rowHeight - box.clientHeight;
      event.preventDefault();
    } else if (event.key === "Enter" && row) {
      onOpen?.(row);
    }
  };

  const mark = (key: string) => (sort?.key === key ? (sort.descending ? "descending" : "ascending") : "none");
  return (
    <div class="table" ref={frame} onScroll={measure} onKeyDown={onKeyDown} tabIndex={0} role="region" aria-label={label}>
      <table aria-rowcount={rows.length}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" class={column.number ? "number" : ""} aria-sort={mark(column.key)} title={column.title}>
                {column.sortable && onSort ? (
                  <button onClick={() => onSort(column.key)}>
                    {column.title}
                    {sort?.key === column.key ? (sort.descending ? " ↓" : " ↑") : ""}
                  </button>
                ) : (
                  column.title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr class="pad" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${first * rowHeight}px` }} /></tr>
          {rows.slice(first, last).map((row, i) => (
            <tr key={id(row)} class={first + i === chosen ? "chosen" : ""} onClick={() => setChosen(first + i)} onDblClick={() => onOpen?.(row)}>
              {columns.map((column) => (
                <td key={column.key} class={column.number ? "number" : column.wrap ? "wrap" : ""} title={column.exact?.(row)}>{column.cell(row)}</td>
              ))}
            </tr>
          ))}
          <tr class="pad" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${(rows.length - last) * rowHeight}px` }} /></tr>
        </tbody>
      </table>
    </div>
  );
}
