// Who answers which share of the requests.
import type { Share } from "../api/kubernetes";

export function Split({ traffic }: { traffic: Share[] }) {
  const words = traffic.map((s) => `${s.revisionName} ${s.percent} %`).join(", ");
  return (
    <div class="split" role="img" aria-label={words} title={words}>
      {traffic.filter((s) => s.percent > 0).map((s) => (
        <div key={s.revisionName} class={s.latestRevision ? "latest" : "stable"} style={{ width: `${s.percent}%` }}>
          {s.percent >= 8 ? `${s.percent} %` : ""}
        </div>
      ))}
    </div>
  );
}
