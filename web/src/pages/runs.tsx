// All runs of an experiment: filter, sort, open. Filtering, sorting and paging are the server's work.
import { useEffect, useMemo, useState } from "preact/hooks";
import { searchExperiments, searchRuns, type Run } from "../api/mlflow";
import { ago, duration, exact, number } from "../format";
import { go, place, setQuery } from "../location";
import { useLoad } from "../load";
import { AsCommand } from "../parts/command";
import { Empty } from "../parts/empty";
import { State } from "../parts/state";
import { Table, type Column } from "../parts/table";

const pageSize = 200;
const columnsMax = 40; // of metrics and of params, the most frequent first

function useRuns(experiment: string | undefined, filter: string, order: string) {
  const [runs, setRuns] = useState<Run[]>([]);
  const [token, setToken] = useState<string>();
  const [error, setError] = useState<string>();
  const [loaded, setLoaded] = useState(false);
  const body = { experiment_ids: experiment ? [experiment] : [], filter, order_by: order ? [order] : [], max_results: pageSize };
  useEffect(() => {
    if (!experiment) return;
    const abort = new AbortController();
    searchRuns(body, abort.signal).then(
      (page) => {
        setRuns(page.runs ?? []);
        setToken(page.next_page_token);
        setError(undefined);
        setLoaded(true);
      },
      (problem: Error) => {
        if (!abort.signal.aborted) setError(problem.message);
      },
    );
    return () => abort.abort();
  }, [experiment, filter, order]);
  const more = () => {
    if (!token) return;
    setToken(undefined);
    searchRuns({ ...body, page_token: token }).then(
      (page) => {
        setRuns((before) => [...before, ...(page.runs ?? [])]);
        setToken(page.next_page_token);
      },
      (problem: Error) => setError(problem.message),
    );
  };
  return { runs, error, more, loaded };
}

function frequent(runs: Run[], keys: (run: Run) => string[]): string[] {
  const count = new Map<string, number>();
  for (const run of runs) for (const key of keys(run)) count.set(key, (count.get(key) ?? 0) + 1);
  return [...count].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, columnsMax).map(([key]) => key);
}

function columnsOf(runs: Run[]): Column<Run>[] {
  const metric = (run: Run, key: string) => run.data.metrics?.find((m) => m.key === key)?.value;
  const param = (run: Run, key: string) => run.data.params?.find((p) => p.key === key)?.value;
  const quoted = (key: string) => (/^\w+$/.test(key) ? key : `\`${key}\``);
  return [
    { key: "attributes.run_name", title: "Run", sortable: true, cell: (r) => <a href={`/ui/runs/${r.info.run_id}`}>{r.info.run_name || r.info.run_id}</a> },
    { key: "attributes.status", title: "Status", sortable: true, cell: (r) => <State word={r.info.status} /> },
    { key: "attributes.start_time", title: "Started", sortable: true, number: true, cell: (r) => ago(r.info.start_time), exact: (r) => exact(r.info.start_time) },
    { key: "duration", title: "Took", number: true, cell: (r) => (r.info.end_time ? duration(r.info.end_time - (r.info.start_time ?? 0)) : "") },
    ...frequent(runs, (r) => (r.data.metrics ?? []).map((m) => m.key)).map(
      (key): Column<Run> => ({ key: `metrics.${quoted(key)}`, title: key, number: true, sortable: true, cell: (r) => number(metric(r, key)), exact: (r) => String(metric(r, key) ?? "") }),
    ),
    ...frequent(runs, (r) => (r.data.params ?? []).map((p) => p.key)).map(
      (key): Column<Run> => ({ key: `params.${quoted(key)}`, title: key, sortable: true, cell: (r) => param(r, key) ?? "", exact: (r) => param(r, key) ?? "" }),
    ),
  ];
}

const snippet = (url: string) => `import mlflow
mlflow.set_tracking_uri("${url}")
with mlflow.start_run():
    mlflow.log_param("rate", 0.1)
    mlflow.log_metric("accuracy", 0.9)`;

export function Runs() {
  const query = place.value.query;
  const experiments = useLoad("experiments", searchExperiments).data?.experiments;
  const wanted = query.get("experiment");
  const experiment = experiments?.find((e) => e.experiment_id === wanted)?.experiment_id ?? experiments?.[0]?.experiment_id;
  const filter = query.get("filter") ?? "";
  const order = query.get("order") ?? "";
  const [typed, setTyped] = useState(filter);
  const { runs, error, more, loaded } = useRuns(experiment, filter, order);
  const columns = useMemo(() => columnsOf(runs), [runs]);
  const [sortKey, direction] = order ? [order.slice(0, order.lastIndexOf(" ")), order.slice(order.lastIndexOf(" ") + 1)] : ["", ""];
  const onSort = (key: string) => setQuery({ order: sortKey === key && direction === "DESC" ? `${key} ASC` : `${key} DESC` });
  const command = `import mlflow
mlflow.set_tracking_uri("${window.location.origin}")
mlflow.search_runs(["${experiment ?? "0"}"]${filter ? `, filter_string=${JSON.stringify(filter)}` : ""}${order ? `, order_by=[${JSON.stringify(order)}]` : ""})`;
  return (
    <>
      <div class="head">
        <h1>Runs</h1>
        <select aria-label="Experiment" value={experiment} onChange={(e) => setQuery({ experiment: e.currentTarget.value })}>
          {experiments?.map((e) => <option key={e.experiment_id} value={e.experiment_id}>{e.name}</option>)}
        </select>
        <span class="soft" aria-live="polite">{loaded ? `${runs.length} shown` : ""}</span>
        <span class="spring" />
        <AsCommand lines={command} />
      </div>
      <form class="bar" onSubmit={(e) => { e.preventDefault(); setQuery({ filter: typed }); }}>
        <input aria-label="Filter" placeholder="metrics.accuracy > 0.9 AND params.model = 'forest'   (press enter)" value={typed} onInput={(e) => setTyped(e.currentTarget.value)} id="search" />
        {filter ? <button type="button" onClick={() => { setTyped(""); setQuery({ filter: "" }); }}>Clear</button> : null}
      </form>
      {error ? <div class="error" role="alert">{error}</div> : null}
      {loaded && !runs.length && !error ? (
        filter ? <p class="soft">No run matches this filter.</p> : <Empty title="No runs yet" snippet={snippet(window.location.origin)}>Record one from Python:</Empty>
      ) : (
        <Table columns={columns} rows={runs} id={(r) => r.info.run_id} label="Runs" sort={{ key: sortKey ?? "", descending: direction === "DESC" }} onSort={onSort} onOpen={(r) => go(`/ui/runs/${r.info.run_id}`)} onEnd={more} />
      )}
    </>
  );
}
