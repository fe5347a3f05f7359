// How numbers, times and sizes are written for people; the exact value goes into a title.

export function number(value: number | string | undefined): string {
  if (value === undefined || value === "") return "";
  const n = Number(value);
  if (!Number.isFinite(n)) return String(value);
  if (Number.isInteger(n) && Math.abs(n) < 1e9) return String(n);
  const size = Math.abs(n);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? n.toExponential(3) : String(Number(n.toPrecision(5)));
}

export function duration(ms: number): string {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(ms)} ms`;
  if (s < 120) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export const ago = (ms: number | undefined): string => (ms ? `${duration(Date.now() - ms)} ago` : "");
export const exact = (ms: number | undefined): string => (ms ? new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC") : "");

export function bytes(n: number | undefined): string {
  if (n === undefined) return "";
  if (n < 1024) return `${n} B`;
  if (n < 1048576) return `${(n / 1024).toFixed(1)} KiB`;
  return `${(n / 1048576).toFixed(1)} MiB`;
}
