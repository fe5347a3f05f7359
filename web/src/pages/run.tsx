// One run: what went in, what came out, and its metrics over time.
import { artifactUrl, getHistory, getRun, listArtifacts, type FileInfo, type Run } from "../api/mlflow";
import { Line, type Point } from "../charts/line";
import { ago, bytes, duration, exact, number } from "../format";
import { useLoad } from "../load";
import { AsCommand } from "../parts/command";
import { State } from "../parts/state";

function Pairs({ title, pairs }: { title: string; pairs: [string, string][] }) {
  if (!pairs.length) return null;
  return (
    <section class="card">
      <h2>{title}</h2>
      <dl class="facts">{pairs.map(([key, value]) => [<dt key={key}>{key}</dt>, <dd key={`${key}=`}>{value}</dd>])}</dl>
    </section>
  );
}

function Chart({ run, metric }: { run: Run; metric: string }) {
  const running = run.info.status === "RUNNING";
  const { data } = useLoad(`${run.info.run_id}/${metric}`, () => getHistory(run.info.run_id, metric), running ? 2000 : 0);
  if (!data) return null;
  const points: Point[] = (data.metrics ?? []).map((m) => ({ step: m.step, value: Number(m.value), timestamp: m.timestamp }));
  return points.length > 1 ? <Line title={metric} points={points} /> : null;
}

function Files({ run, path }: { run: string; path?: string }) {
  const { data } = useLoad(`files ${run} ${path ?? ""}`, () => listArtifacts(run, path));
  if (!data?.files?.length) return path ? null : <p class="soft">No artifacts.</p>;
  return (
    <ul style={{ margin: 0, paddingLeft: "16px" }}>
      {data.files.map((file: FileInfo) => (
        <li key={file.path}>
          {file.is_dir ? (
            <details>
              <summary>{file.path.split("/").at(-1)}/</summary>
              <Files run={run} path={file.path} />
            </details>
          ) : (
            <>
              <a href={artifactUrl(run, file.path)} target="_blank" rel="noreferrer">{file.path.split("/").at(-1)}</a>{" "}
              <span class="soft">{bytes(file.file_size)}</span>
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

export function RunPage({ id }: { id: string }) {
  const { data, error } = useLoad(`run ${id}`, () => getRun(id), 3000);
  if (!data) return error ? <div class="error" role="alert">{error}</div> : null;
  const run = data.run;
  const { info } = run;
  const metrics = run.data.metrics ?? [];
  const tags = (run.data.tags ?? []).filter((t) => !t.key.startsWith("mlflow."));
  return (
    <>
      <div class="head">
        <h1>{info.run_name || id}</h1>
        <State word={info.status} />
        <span class="soft" title={exact(info.start_time)}>
          started {ago(info.start_time)}
          {info.end_time ? `, took ${duration(info.end_time - (info.start_time ?? 0))}` : ""}
        </span>
        <span class="spring" />
        <AsCommand lines={`import mlflow\nmlflow.set_tracking_uri("${window.location.origin}")\nmlflow.get_run("${id}")`} />
      </div>
      <p class="soft"><a href={`/ui/runs?experiment=${info.experiment_id}`}>All runs of this experiment</a> · {id}</p>
      <div class="columns">
        <Pairs title="Metrics" pairs={metrics.map((m) => [m.key, number(m.value)])} />
        <Pairs title="Parameters" pairs={(run.data.params ?? []).map((p) => [p.key, p.value])} />
        <Pairs title="Tags" pairs={tags.map((t) => [t.key, t.value])} />
      </div>
      <h2>Metrics over time</h2>
      <div class="columns">{metrics.map((m) => <Chart key={m.key} run={run} metric={m.key} />)}</div>
      <h2>Artifacts</h2>
      <Files run={id} />
    </>
  );
}
