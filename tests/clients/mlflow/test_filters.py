"""The whole search grammar through the unmodified client. What each filter and order finds, and what is refused, was
recorded once from MLflow 3.17.2's own SQLAlchemy store over the same runs; where we take more than it does, the last table says."""
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException

RUNS = {
    "one": {"start": 1000, "end": 5000, "status": "FINISHED", "metrics": {"loss": 0.1, "val loss": 1.0, "a.b/c": 3},
            "params": {"lr": "0.1", "my key": "x y", "opt": "Adam"}, "tags": {"team": "red", "note": "100% done"}, "dataset": ("wine", "d1", "train")},
    "two": {"start": 2000, "end": 6000, "status": "FAILED", "metrics": {"loss": 0.5}, "params": {"lr": "0.01", "opt": "adamw"},
            "tags": {"team": "blue"}, "dataset": ("wine", "d2", "eval")},
    "three": {"start": 3000, "metrics": {"loss": 2.5, "val loss": -1e-3}, "params": {"lr": "0.1", "opt": "SGD"},
              "tags": {"team": "Red", "note": "it's"}, "dataset": ("beer", "d3", "train")},
    "four": {"start": 4000, "metrics": {"acc": float("nan"), "loss": float("nan")}, "params": {}, "tags": {}},
    "Five": {"start": 5000, "metrics": {"acc": float("inf")}, "params": {"empty": ""}, "tags": {"mlflow.source.name": "train.py"}},
}

# {one} stands for that run's id; found runs are in the order of their start.
FOUND = [
    ('', 'one two three four Five'),
    ('metrics.loss = 0.5', 'two'),
    ('metrics.loss != 0.5', 'one three four'),
    ('metrics.loss > 0.1', 'two three'),
    ('metrics.loss >= 0.1', 'one two three'),
    ('metrics.loss < 0.5', 'one'),
    ('metrics.loss <= 0.5', 'one two'),
    ('metric.loss < 1e0', 'one two'),
    ('metrics.`val loss` < 0', 'three'),
    ('metrics."val loss" = 1', 'one'),
    ('metrics.`a.b/c` = 3', 'one'),
    ('metrics.loss > -1', 'one two three'),
    ('metrics.loss > .2', 'two three'),
    ('metrics.acc > 1e300', 'Five'),
    ("params.lr = '0.1'", 'one three'),
    ("param.lr != '0.1'", 'two'),
    ("parameters.opt LIKE 'ad%'", 'two'),
    ("params.opt ILIKE 'ad%'", 'one two'),
    ("params.opt LIKE '%a%'", 'one two'),
    ("params.opt like 'SG_'", 'three'),
    ("params.`my key` = 'x y'", 'one'),
    ('params."my key" = "x y"', 'one'),
    ('params.lr IS NULL', 'four Five'),
    ('params.lr IS NOT NULL', 'one two three'),
    ('params.opt is not null', 'one two three'),
    ('params.lr = "0.1"', 'one three'),
    ("tags.team = 'red'", 'one'),
    ("tag.team != 'red'", 'two three'),
    ("tags.team ILIKE 'RED'", 'one three'),
    ("tags.note LIKE '100%'", 'one'),
    ("tags.note LIKE '%\\%%'", ''),
    ('tags.note IS NULL', 'two four Five'),
    ('tags.note IS NOT NULL', 'one three'),
    ("tags.mlflow.source.name = 'train.py'", 'Five'),
    ("tags.`mlflow.source.name` LIKE '%.py'", 'Five'),
    ('tags."team" = \'blue\'', 'two'),
    ("run_name = 'one'", 'one'),
    ("attributes.run_name LIKE 't%'", 'two three'),
    ("attr.run_name ILIKE 'F%'", 'four Five'),
    ("run.run_name != 'one'", 'two three four Five'),
    ('`run name` = "one"', 'one'),
    ('attributes."run name" = "one"', 'one'),
    ("tags.mlflow.runName = 'one'", 'one'),
    ("attributes.`Run name` = 'two'", 'two'),
    ("status = 'FAILED'", 'two'),
    ("attributes.status != 'FAILED'", 'one three four Five'),
    ("status LIKE 'F%'", 'one two'),
    ("status ILIKE 'fin%'", 'one'),
    ("user_id = 'x'", ''),
    ("artifact_uri LIKE '%artifacts'", 'one two three four Five'),
    ("run_id = '{one}'", 'one'),
    ("attributes.run_id IN ('{one}', '{three}')", 'one three'),
    ("run_id NOT IN ('{one}')", 'two three four Five'),
    ("run_id LIKE '{two}'", 'two'),
    ("run_id != '{one}'", 'two three four Five'),
    ("attributes.run_id in ('{one}')", 'one'),
    ('start_time > 2000', 'three four Five'),
    ('attributes.start_time >= 2000 AND attributes.start_time < 4000', 'two three'),
    ('attributes.created = 1000', 'one'),
    ('created < 2500', 'one two'),
    ('end_time > 0', 'one two'),
    ('end_time <= 5000', 'one'),
    ('start_time != 1000', 'two three four Five'),
    ("datasets.name = 'wine'", 'one two'),
    ("dataset.name LIKE 'w%'", 'one two'),
    ("dataset.digest = 'd2'", 'two'),
    ("datasets.context = 'train'", 'one three'),
    ("dataset.name IN ('wine', 'beer')", 'one two three'),
    ("dataset.name NOT IN ('wine')", 'three'),
    ("datasets.name ILIKE 'W%'", 'one two'),
    ("dataset.name != 'wine'", 'three'),
    ("dataset.name = 'wine' AND dataset.context = 'eval'", 'two'),
    ("dataset.name='beer' and dataset.context='eval'", ''),
    ("metrics.loss > 0 AND params.lr = '0.1' AND tags.team = 'red'", 'one'),
    ("metrics.loss > 0 and params.lr = '0.1'", 'one three'),
    ('metrics.loss > 0 AnD metrics.loss < 1', 'one two'),
    ('metrics.loss>0', 'one two three'),
    ('metrics.loss  >   0', 'one two three'),
    ("params.a.b.c = 'x'", ''),
    ("params.'lr' = '0.1'", 'one three'),
    ("`params`.lr = '0.1'", 'one three'),
    ("params.opt = 'Adam\\'", ''),
    ('params.lr is null and metrics.loss = 1', ''),
    ('tags.note = "it\'s"', 'three'),
    ('run_name = "one"', 'one'),
    ('attributes."run_name" = \'one\'', 'one'),
]

REFUSED = [
    "metrics.loss LIKE '1'", "metrics.loss = '0.5'", 'metrics.loss IN (1)', 'metrics.loss IS NULL', "params.lr > '0'", 'params.lr = 0.1',
    "params.lr IN ('0.1')", "tags.team IN ('red')", "tags.team > 'a'", "run_name IN ('one')", "status IN ('FAILED')", 'status = 3',
    "start_time LIKE '1'", "start_time = 'x'", "start_time = '1000'", "params.lr = '0.1' OR params.lr = '0.01'", "(params.lr = '0.1')",
    'params.lr', 'params.lr =', "= '1'", "params.lr '0.1'", "params.lr == '0.1'", "nothing.x = '1'", "nothing = '1'", 'loss < 1',
    'metrics.loss < ', "params.lr = '0.1", "params.lr = 0.1'", "params.lr = '0.1';", "params.lr = '0.1' -- x", "NOT params.lr = '0.1'",
    "params.lr NOT LIKE 'x'", 'run_id IN ()', "run_id IN '{one}'", "run_id IN ('{one}'", "dataset.foo = 'x'", 'run_id IN (1)',
    'params.lr = lr', 'metrics.loss = abc', "params.lr = '0.1', params.opt = 'x'", 'metrics.loss = nan', 'METRICS.loss < 1',
    "PARAMS.lr = '0.1'", "attributes.nothing = 'x'", "'params'.lr = '0.1'", 'metrics.loss between 1 and 2', 'metrics.loss <> 0.5',
    'metrics.loss = 0x10', 'metrics.loss = 1_000', "params.lr IS 'x'", "params.lr IS NOT 'x'", "lifecycle_stage = 'active'",
    "attributes.lifecycle_stage = 'active'", "experiment_id = '1'", "attributes.experiment_id = '1'",
]

ORDERED = [
    (['metrics.loss'], 'one two three four Five'),
    (['metrics.loss DESC'], 'three two one four Five'),
    (['metrics.loss ASC'], 'one two three four Five'),
    (['metrics.acc DESC'], 'Five four three two one'),
    (['params.lr'], 'two three one Five four'),
    (['params.lr DESC'], 'three one two Five four'),
    (['params.opt ASC'], 'one three two Five four'),
    (['tags.team DESC'], 'one two three Five four'),
    (['attributes.start_time DESC'], 'Five four three two one'),
    (['start_time'], 'one two three four Five'),
    (['run_name'], 'Five four one three two'),
    (['attributes.run_name DESC'], 'two three one four Five'),
    (['status'], 'two one Five four three'),
    (['status DESC'], 'Five four three one two'),
    (['end_time'], 'one two Five four three'),
    (['end_time DESC'], 'two one Five four three'),
    (['attributes.created DESC'], 'Five four three two one'),
    (['metrics.`val loss`'], 'three one Five four two'),
    (['params.lr DESC', 'metrics.loss ASC'], 'one three two four Five'),
    (['metrics.loss desc'], 'three two one four Five'),
    (['tags.nothing'], 'Five four three two one'),
]

BAD_ORDERS = ['dataset.name', 'nothing', 'metrics.loss SIDE', 'metrics.loss DESC ASC', 'metrics.loss, params.lr', 'loss', '', 'attributes.nothing']

# MLflow refuses these, or takes them for something else than their writer meant.
MORE = [
    ("metrics.a.b/c = 3", "one"),
    ("metrics.loss = +0.5", "two"),
    ("tags.note = 'it''s'", "three"),
    ("tags.a-b = 'x'", ""),
    ("   ", "one two three four Five"),
]
LESS = ["params.lr = '0.1' AND", "AND params.lr = '0.1'", "metrics. = 1", "metrics.loss = 1 metrics.loss = 1"]


@pytest.fixture(scope="module")
def world(server):
    mlflow.set_tracking_uri(server.url)
    client = MlflowClient(server.url)
    experiment, ids = client.create_experiment("grammar"), {}
    for name, spec in RUNS.items():
        ids[name] = client.create_run(experiment, start_time=spec["start"], run_name=name, tags=spec["tags"]).info.run_id
        client.log_batch(ids[name], [Metric(k, v, 1, 0) for k, v in spec["metrics"].items()], [Param(k, v) for k, v in spec["params"].items()])
        if "dataset" in spec:
            title, digest, context = spec["dataset"]
            client.log_inputs(ids[name], [DatasetInput(Dataset(title, digest, "local", "src"), [InputTag("mlflow.data.context", context)])])
        if "end" in spec:
            client.set_terminated(ids[name], spec["status"], spec["end"])

    def search(text, order=("attributes.start_time ASC",), **more):
        for name, run_id in ids.items():
            text = text.replace("{" + name + "}", run_id)
        return client.search_runs([experiment], text, order_by=list(order), **more)

    return search


@pytest.mark.parametrize("text, names", FOUND + MORE)
def test_found(world, text, names):
    assert [r.info.run_name for r in world(text)] == names.split()


@pytest.mark.parametrize("text", REFUSED + LESS)
def test_refused(world, text):
    with pytest.raises(MlflowException) as refused:
        world(text)
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert len(str(refused.value)) > len("INVALID_PARAMETER_VALUE: ") and "SELECT" not in str(refused.value)


@pytest.mark.parametrize("order, names", ORDERED)
def test_ordered(world, order, names):
    assert [r.info.run_name for r in world("", order)] == names.split()


@pytest.mark.parametrize("order", BAD_ORDERS)
def test_bad_orders(world, order):
    with pytest.raises(MlflowException) as refused:
        world("", [order])
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("order", [o for o, _ in ORDERED], ids=str)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_join_to_the_whole(world, order, size):
    seen, token = [], None
    while True:
        page = world("", order, max_results=size, page_token=token)
        assert 0 < len(page) <= size
        seen += [r.info.run_name for r in page]
        token = page.token
        if not token:
            break
    assert seen == [r.info.run_name for r in world("", order)]


def test_a_token_is_for_its_own_query(world):
    token = world("", ["metrics.loss"], max_results=2).token
    for text, order, wrong in (("metrics.loss > 0", ["metrics.loss"], token), ("", ["metrics.loss DESC"], token), ("", ["metrics.loss"], "eyJvZmZzZXQiOiAyfQ=="),
                               ("", ["metrics.loss"], token[:-3]), ("", ["metrics.loss"], "%%%"), ("", ["metrics.loss"], "x" * 100_000)):
        with pytest.raises(MlflowException, match="page_token"):
            world(text, order, max_results=2, page_token=wrong)


def test_the_word_that_was_typed_is_named(world):
    for text, says in (("loss < 1", "write metrics.loss, params.loss, tags.loss"), ("metric.loss LIKE 'a'", "'metric.loss'"), ("nothing.x = 'a'", "'nothing'"),
                       ("params.lr = 'a' OR params.lr = 'b'", "OR at position 17")):
        with pytest.raises(MlflowException, match="INVALID_PARAMETER_VALUE") as refused:
            world(text)
        assert says in str(refused.value), str(refused.value)
