"""The files of `export/serving`, read by what reads them in earnest."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format

from export.warm_up import BATCH_SIZES, MODEL_NAME
from tests.export.serving.messages import parse

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "export" / "serving"
IMAGE = re.compile(r"tensorflow/serving:(\d+)\.(\d+)\.(\d+)$")


def text(name: str) -> str:
    return (FOLDER / name).read_text()


def flags(arguments: list[str]) -> dict[str, str]:
    """--name=value as a dict."""
    return dict(argument[2:].split("=", 1) for argument in arguments if argument.startswith("--"))


def documents() -> dict[str, dict]:
    """The objects of kubernetes.yaml by kind."""
    return {document["kind"]: document for document in yaml.safe_load_all(text("kubernetes.yaml"))}


@pytest.fixture(scope="module")
def container():
    (container,) = documents()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def test_every_label_points_at_a_version_that_is_served():
    (config,) = parse("ModelServerConfig", text("models.config")).model_config_list.config
    assert config.name == MODEL_NAME
    assert config.model_platform == "tensorflow"
    assert config.base_path == "/models/lnmn"
    assert set(config.version_labels) == {"stable", "canary"}
    assert set(config.version_labels.values()) <= set(config.model_version_policy.specific.versions)


def test_batches_end_at_the_largest_allowed_size_and_are_all_warmed_up():
    config = parse("BatchingParameters", text("batching.config"))
    sizes = list(config.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == config.max_batch_size.value
    assert tuple(sizes) == BATCH_SIZES
    assert config.num_batch_threads.value >= 1
    assert not config.pad_variable_length_inputs  # it would pad with a word


def test_metrics_are_where_kubernetes_says_that_they_are():
    config = parse("MonitoringConfig", text("monitoring.config")).prometheus_config
    assert config.enable
    annotations = documents()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == config.path


def test_a_field_that_tf_serving_does_not_know_is_noticed():
    with pytest.raises(text_format.ParseError):
        parse("BatchingParameters", "max_batchsize { value: 3 }")


def test_the_tls_example_has_the_fields_of_ssl_config():
    config = parse("SSLConfig", text("ssl.config.example"))
    assert "PRIVATE KEY" in config.server_key
    assert "CERTIFICATE" in config.server_cert


def test_compose_and_the_image_run_a_server_that_can_load_what_is_exported():
    service = yaml.safe_load(text("docker-compose.yml"))["services"]["serving"]
    (image,) = re.findall(r"^FROM (\S+)$", text("Dockerfile"), re.MULTILINE)
    assert image == service["image"]
    assert tuple(map(int, IMAGE.fullmatch(image).groups())) >= (2, 15, 0)
    entrypoint = re.search(r"ENTRYPOINT (\[.*\])", text("Dockerfile").replace("\\\n", ""))[1]
    baked, composed = flags(yaml.safe_load(entrypoint)), flags(service["command"])
    assert baked.items() <= composed.items()
    for name in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        assert (FOLDER / Path(composed[name]).name).is_file()


def test_compose_runs_without_root_and_publishes_no_open_port_but_the_proxy():
    services = yaml.safe_load(text("docker-compose.yml"))["services"]
    serving = services["serving"]
    assert serving["read_only"] and serving["user"] == "10001:10001"
    assert serving["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in serving["ports"])
    assert "AVAILABLE" in serving["healthcheck"]["test"][-1]
    assert services["proxy"]["profiles"] == ["proxy"]
    mounts = dict(volume.rsplit(":", 2)[:2] for volume in services["proxy"]["volumes"])
    assert "./nginx.conf" in mounts


@pytest.mark.parametrize("kind", ["Deployment", "Service", "HorizontalPodAutoscaler"])
def test_kubernetes_objects_fit_their_schemas(kind):
    kubernetes_validate.validate(documents()[kind], "1.31", strict=True)


def test_the_schemas_notice_a_field_that_kubernetes_does_not_know():
    wrong = documents()["Deployment"]
    wrong["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.31", strict=True)


def test_the_pod_is_ready_while_the_version_labelled_stable_is_loaded(container):
    (config,) = parse("ModelServerConfig", text("models.config")).model_config_list.config
    path = f"/v1/models/{config.name}/labels/stable/metadata"
    assert "stable" in config.version_labels
    assert container["readinessProbe"]["httpGet"] == {"path": path, "port": "rest"}
    assert container["startupProbe"]["httpGet"] == {"path": path, "port": "rest"}


def test_the_pod_has_limits_and_no_rights(container):
    pod = documents()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_service_and_autoscaler_find_the_deployment(container):
    by_kind = documents()
    labels = by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert by_kind["Service"]["spec"]["selector"].items() <= labels.items()
    names = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in by_kind["Service"]["spec"]["ports"]} == names
    target = by_kind["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "lnmn")


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl on the PATH")
def test_tls_sh_says_what_it_wants():
    done = subprocess.run([FOLDER / "tls.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "HOST FOLDER" in done.stderr
