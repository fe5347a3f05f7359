"""Prompts through the unmodified client: they are registered models with tags of their own."""
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


@pytest.fixture(autouse=True)
def tracking(server):
    mlflow.set_tracking_uri(server.url)
    mlflow.set_registry_uri(server.url)
    mlflow.set_experiment("prompts")


def test_register_load_and_format():
    first = mlflow.genai.register_prompt("greet", "Hello {{name}}", commit_message="first", tags={"team": "a"})
    second = mlflow.genai.register_prompt("greet", "Good day {{name}}")
    assert (first.version, second.version) == (1, 2)
    assert mlflow.genai.load_prompt("greet", version=1).format(name="Ada") == "Hello Ada"
    assert mlflow.genai.load_prompt("prompts:/greet/2").template == "Good day {{name}}"
    assert mlflow.genai.load_prompt("greet").version == 2
    assert mlflow.genai.load_prompt("prompts:/greet/1").commit_message == "first"


def test_chat_prompts_keep_their_structure():
    messages = [{"role": "system", "content": "You are {{style}}."}, {"role": "user", "content": "{{question}}"}]
    mlflow.genai.register_prompt("chat", messages, response_format={"type": "object"})
    loaded = mlflow.genai.load_prompt("chat", version=1)
    assert loaded.template == messages
    assert loaded.response_format == {"type": "object"}
    assert loaded.format(style="kind", question="why?")[1]["content"] == "why?"


def test_aliases():
    mlflow.genai.register_prompt("tone", "one")
    mlflow.genai.register_prompt("tone", "two")
    mlflow.genai.set_prompt_alias("tone", alias="production", version=1)
    assert mlflow.genai.load_prompt("prompts:/tone@production").template == "one"
    mlflow.genai.set_prompt_alias("tone", alias="production", version=2)
    assert mlflow.genai.load_prompt("prompts:/tone@production", cache_ttl_seconds=0).template == "two"
    assert mlflow.genai.load_prompt("prompts:/tone@latest", cache_ttl_seconds=0).version == 2
    mlflow.genai.delete_prompt_alias("tone", alias="production")
    assert mlflow.genai.load_prompt("prompts:/tone@production", allow_missing=True, cache_ttl_seconds=0) is None
    with pytest.raises(MlflowException):
        mlflow.genai.load_prompt("prompts:/tone@production", cache_ttl_seconds=0)
    assert mlflow.genai.load_prompt("absent", allow_missing=True) is None


def test_tags_and_search():
    client = MlflowClient()
    mlflow.genai.register_prompt("tagged", "x", tags={"task": "sum"})
    client.set_prompt_tag("tagged", "owner", "ada")
    client.set_prompt_version_tag("tagged", 1, "reviewed", "yes")
    assert mlflow.genai.load_prompt("tagged", version=1, cache_ttl_seconds=0).tags["reviewed"] == "yes"
    found = mlflow.genai.search_prompts("tags.task = 'sum'")
    assert [p.name for p in found] == ["tagged"]
    assert found[0].tags["owner"] == "ada"
    assert [p.name for p in mlflow.genai.search_prompts("name LIKE 'tag%'")] == ["tagged"]
    client.delete_prompt_version_tag("tagged", 1, "reviewed")
    client.delete_prompt_tag("tagged", "owner")


def test_prompts_and_models_stay_apart():
    client = MlflowClient()
    mlflow.genai.register_prompt("apart", "text")
    client.create_registered_model("model-apart")
    assert "apart" not in [m.name for m in client.search_registered_models()]
    assert [v.name for v in client.search_model_versions("name = 'apart'")] == []
    assert "model-apart" not in [p.name for p in mlflow.genai.search_prompts()]
    with pytest.raises(MlflowException, match="exists with the same name"):
        mlflow.genai.register_prompt("model-apart", "text")
    with pytest.raises(MlflowException, match="RESOURCE_ALREADY_EXISTS"):
        client.create_registered_model("apart")


def test_long_texts_are_kept_and_bounded():
    text = "ä" * 40_000
    mlflow.genai.register_prompt("long", text)
    assert mlflow.genai.load_prompt("long", version=1).template == text
    with pytest.raises(MlflowException, match="at most|exceeds max length"):
        mlflow.genai.register_prompt("long", "x" * 100_001)
