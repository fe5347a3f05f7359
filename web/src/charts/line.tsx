// One metric over its steps, drawn only once it is visible; last, min and max are printed.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../format";

export interface Point { step: number; value: number; timestamp: number }

const ink = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const font = "12px system-ui, sans-serif";
const steps = Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat(); // whole steps only

export function Line({ title, points }: { title: string; points: Point[] }) {
  const box = useRef<HTMLDivElement>(null);
  const under = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const target = box.current!;
    let plot: uPlot | undefined;
    const draw = () => {
      const axis = { stroke: ink("--soft"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 } };
      plot = new uPlot(
        {
          width: target.clientWidth, height: 200, legend: { show: false }, // one line: its name and figures stand above it
          cursor: { sync: { key: "metrics" } },
          hooks: {
            setCursor: [(u) => {
              const point = points[u.cursor.idx ?? -1];
              if (under.current) under.current.textContent = point ? `step ${point.step}: ${number(point.value)}` : "";
            }],
          },
          scales: { x: { time: false } },
          axes: [{ ...axis, label: "step", labelSize: 16, size: 32, font, labelFont: font, incrs: steps }, { ...axis, size: 56, font, values: (_, ticks) => ticks.map((tick) => number(tick)) }],
          series: [{ label: "step" }, { label: title, stroke: ink("--accent"), width: 1.5, points: { show: points.length < 60 } }],
        },
        [points.map((p) => p.step), points.map((p) => p.value)],
        target,
      );
    };
    const seen = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting) && !plot) draw();
    });
    const sized = new ResizeObserver(() => plot?.setSize({ width: target.clientWidth, height: 200 }));
    // A canvas does not follow the style sheet: another theme is another drawing.
    const redraw = () => {
      if (!plot) return;
      plot.destroy();
      draw();
    };
    const themed = new MutationObserver(redraw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    seen.observe(target);
    sized.observe(target);
    return () => {
      seen.disconnect();
      sized.disconnect();
      themed.disconnect();
      dark.removeEventListener("change", redraw);
      plot?.destroy();
    };
  }, [points]);
  const values = points.map((p) => p.value).filter(Number.isFinite);
  return (
    <div class="card" data-metric={title}>
      <h2>
        {title}
        <span class="soft">
          last {number(values.at(-1))} · min {number(Math.min(...values))} · max {number(Math.max(...values))}
        </span>
        <span class="soft under" ref={under} />
      </h2>
      <div ref={box} role="img" aria-label={`${title} over ${points.length} steps, last ${number(values.at(-1))}`} />
    </div>
  );
}
