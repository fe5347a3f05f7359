// One metric over its steps, drawn only once it is visible; last, min and max are printed.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../format";

export interface Point { step: number; value: number; timestamp: number }

const ink = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Line({ title, points }: { title: string; points: Point[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const target = box.current!;
    let plot: uPlot | undefined;
    const draw = () => {
      const axis = { stroke: ink("--soft"), grid: { stroke: ink("--line"), width: 1 }, ticks: { stroke: ink("--line"), width: 1 } };
      plot = new uPlot(
        {
          width: target.clientWidth, height: 200, legend: { live: true },
          cursor: { sync: { key: "metrics" } },
          scales: { x: { time: false } },
          axes: [{ ...axis, label: "step", labelSize: 16, size: 32 }, { ...axis, size: 56 }],
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
    seen.observe(target);
    sized.observe(target);
    return () => {
      seen.disconnect();
      sized.disconnect();
      plot?.destroy();
    };
  }, [points]);
  const values = points.map((p) => p.value).filter(Number.isFinite);
  return (
    <div class="card" data-metric={title}>
      <h3>
        {title}
        <span class="soft">
          last {number(values.at(-1))} · min {number(Math.min(...values))} · max {number(Math.max(...values))}
        </span>
      </h3>
      <div ref={box} role="img" aria-label={`${title} over ${points.length} steps, last ${number(values.at(-1))}`} />
    </div>
  );
}
