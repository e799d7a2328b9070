"""The manifest is whole: names and numbers fit one another, and its command is one that we understand."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from lnmn_tf.config import RunConfig
from lnmn_tf.main import parse
from lnmn_tf.training.replicas import check_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest():
    text = (ROOT / "configs/kubernetes/clevr_lnmn9.yaml").read_text()
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture
def container(manifest):
    (container,) = manifest["Job"]["spec"]["template"]["spec"]["containers"]
    return container


def run_container(container, folder, index):
    """What the container's command hands to python: its arguments, and TF_CONFIG."""
    stub = folder / "python"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$TF_CONFIG" "$@"\n')
    stub.chmod(0o755)
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    environment |= {"JOB_COMPLETION_INDEX": str(index), "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [*container["command"], *container["args"]]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    tf_config, *arguments = output.stdout.splitlines()
    return tf_config, arguments


def test_each_worker_knows_all_hosts_and_its_own_place(manifest, container, tmp_path):
    job, service = manifest["Job"]["spec"], manifest["Service"]
    workers = job["completions"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == workers == int(container["env"][0]["value"])
    port = service["spec"]["ports"][0]["port"]
    assert container["ports"][0]["containerPort"] == port
    name, domain = manifest["Job"]["metadata"]["name"], service["metadata"]["name"]
    assert job["template"]["spec"]["subdomain"] == domain
    assert service["spec"]["selector"] == job["template"]["metadata"]["labels"]
    assert service["spec"]["clusterIP"] == "None"
    for index in range(workers):
        tf_config, _ = run_container(container, tmp_path, index)
        check_cluster(tf_config)
        assert json.loads(tf_config) == {
            "cluster": {"worker": [f"{name}-{i}.{domain}:{port}" for i in range(workers)]},
            "task": {"type": "worker", "index": index},
        }


def test_its_command_is_a_config_of_ours_on_its_volume(manifest, container, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, (_, module, *arguments) = run_container(container, tmp_path, 0)
    assert module == "lnmn_tf.main"
    command, choices = parse(arguments)
    config = RunConfig.create(choices)
    assert command.mode == "train"
    assert config.machine.strategy == "multi_worker"
    (place,) = (m["mountPath"] for m in container["volumeMounts"] if m["name"] == "clevr")
    for path in (command.run_dir, config.data.data_dir, config.data.features):
        assert path.startswith(f"{place}/")
    volumes = manifest["Job"]["spec"]["template"]["spec"]["volumes"]
    assert {volume["name"] for volume in volumes} == {m["name"] for m in container["volumeMounts"]}


@pytest.mark.parametrize("kind", ["Service", "Job"])
def test_the_objects_fit_their_schemas(manifest, kind):
    kubernetes_validate.validate(manifest[kind], "1.31", strict=True)


def test_a_lost_worker_is_started_again(manifest):
    assert manifest["Job"]["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert manifest["Job"]["spec"]["backoffLimit"] >= 10
