"""The client against servers that misbehave; no model is needed for that."""

from __future__ import annotations

import socket
import time

import grpc
import numpy as np
import pytest

from export.client import Client, Late, Refused, ServingError, Target, Unavailable, client
from export.client.command import Progress, main, read_items
from export.client.flags import parse
from export.client.transports import GrpcTransport, RestTransport
from tests.export.client.moody_servers import REPLY, grpc_server, rest_server


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)


def ask(address, rest=False, **options):
    with Client(address, rest, **options) as connection:
        return connection.ask([b"picture"], ["Why?"])[0]


def test_an_unavailable_server_is_asked_again():
    with grpc_server(*[grpc.StatusCode.UNAVAILABLE] * 3) as (address, service):
        answer = ask(address)
        assert service.calls == 4
    assert answer == ("yes", 0.75, [("yes", 0.75), ("no", 0.25)])


def test_attempts_end_and_are_counted():
    with grpc_server(*[grpc.StatusCode.UNAVAILABLE] * 9) as (address, service):
        with pytest.raises(Unavailable, match=f"{address}.*a reason.*asked 3 times"):
            ask(address, attempts=3)
        assert service.calls == 3


def test_the_pauses_double(monkeypatch):
    pauses = []
    monkeypatch.setattr(client, "FIRST_PAUSE", 1.0)
    monkeypatch.setattr(client.time, "sleep", pauses.append)
    unavailable = [grpc.StatusCode.UNAVAILABLE] * 9
    with grpc_server(*unavailable) as (address, _), pytest.raises(Unavailable):
        ask(address, attempts=5, deadline=100.0)
    assert len(pauses) == 4
    for number, pause in enumerate(pauses):
        assert 0.7 * 2**number < pause < 1.3 * 2**number


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL"])
def test_other_errors_are_not_repeated(code):
    with grpc_server(*[getattr(grpc.StatusCode, code)] * 9) as (address, service):
        with pytest.raises(ServingError, match=f"{code}: a reason$") as error:
            ask(address)
        assert service.calls == 1
    assert isinstance(error.value, Refused) == (code == "INVALID_ARGUMENT")


def test_the_deadline_holds_for_all_attempts_together():
    began = time.monotonic()
    with grpc_server(None) as (address, _), pytest.raises(Late, match="0.3 s"):
        ask(address, deadline=0.3)
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("rest", [False, True])
def test_no_server_at_all(rest):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match="asked 2 times"):
            ask(address, rest, attempts=2, deadline=10)


def test_rest_is_asked_again_when_it_has_too_much_to_do():
    with rest_server((503, b'{"error": "busy"}'), (429, b"no json"), (200, REPLY)) as address:
        assert ask(address, rest=True).text == "yes"


@pytest.mark.parametrize(
    "status, body, kind, words",
    [
        (400, b'{"error": "question 0 is empty"}', Refused, "question 0 is empty"),
        (404, b'{"error": "Servable not found"}', ServingError, "Servable not found"),
        (401, b"<html>", ServingError, "--password_file"),
        (
            403,
            b'{"error": "expected a request to x"}',
            ServingError,
            "403.*expected a request to x",
        ),
        (504, b"", Late, "no answer"),
        (200, b"<html>", ServingError, "REST port"),
        (200, b'{"outputs": [1]}', ServingError, "REST port"),
        (200, b'{"outputs": {"a": [[1], [1, 2]]}}', ServingError, "REST port"),
        (200, b'{"outputs": {"answer": ["yes"]}}', ServingError, "lnmn model"),
        (200, b"", ServingError, "REST port"),
    ],
)
def test_replies_that_are_no_answers(status, body, kind, words):
    with rest_server((status, body)) as address, pytest.raises(kind, match=words):
        ask(address, rest=True)


def test_rest_at_a_grpc_port_is_a_clear_error():
    with (
        grpc_server() as (address, _),
        pytest.raises(ServingError, match="REST port|not available"),
    ):
        ask(address, rest=True, attempts=1, deadline=5)


def test_a_version_and_a_label_exclude_each_other():
    with pytest.raises(ServingError, match="version 2.*stable"):
        Target("a:1", version=2, label="stable")


@pytest.mark.parametrize("images", [[b"picture", np.ones([2])], [np.ones([2]), np.ones([3])]])
def test_images_that_make_no_batch_are_refused_and_not_sent(images):
    with (
        grpc_server() as (address, service),
        Client(address) as connection,
        pytest.raises(Refused, match="all of one shape"),
    ):
        connection.ask(images, ["Why?"] * 2)
    assert service.calls == 0


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_file_that_holds_no_features_is_named(content, tmp_path, capsys):
    path = tmp_path / "features.npy"
    path.write_bytes(content)
    assert main(["--server=127.0.0.1:1", f"--image={path}", "--question=Is it?"]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: cannot be read: ")


def test_a_missing_certificate_file_is_named(tmp_path):
    target = Target("a:1", tls=True, certificates=str(tmp_path / "ca.crt"))
    for rest in (False, True):
        with pytest.raises(ServingError, match=r"ca\.crt"):
            Client(target, rest)


def test_both_transports_have_the_same_methods():
    names = [{n for n in vars(t) if n[0] != "_"} for t in (GrpcTransport, RestTransport)]
    assert names[0] == names[1] == {"predict", "close"}


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([], "--server"),
        (["--server=a:1"], "--question"),
        (["--server=a:1", "--question=b"], "--image"),
        (["--server=a:1", "--question=b", "--image=c", "--resume"], "--output"),
        (["--server=a:1", "--question=b", "--image=c", "--deadline=0"], "deadline"),
        (["--server=a:1", "--question=b", "--image=c", "--user=d"], "--password_file"),
        (
            ["--server=a:1", "--question=b", "--image=c", "--user=d", "--password_file=e"],
            "in the clear",
        ),
    ],
)
def test_wrong_flags(arguments, word, capsys):
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == 2
    assert word in capsys.readouterr().err


def test_help_shows_how_to_use_it_in_python(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert "client.ask(" in text and "--password_file" in text


def test_question_files(tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text("\ufeffWhy?\r\n\n b.png\tHow many?\n")
    questions = [("a.png", "Why?"), ("a.png", ""), (" b.png", "How many?")]
    assert read_items(str(path), "a.png") == questions
    with pytest.raises(ServingError, match="line 1: no picture"):
        read_items(str(path), None)
    path.write_text("\n")
    with pytest.raises(ServingError, match="no question"):
        read_items(str(path), None)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ServingError, match=r"questions\.txt"):
        read_items(str(path), None)


@pytest.fixture
def asking(tmp_path):
    """Asks a file of questions of a server: (address, lines, flags) -> exit code, rows of its output."""
    (tmp_path / "a.png").write_bytes(b"picture")

    def run(address, lines, *flags):
        (tmp_path / "questions").write_text("".join(f"{line}\n" for line in lines))
        arguments = [f"--server={address}", "--rest", f"--image={tmp_path / 'a.png'}", *flags]
        arguments += [f"--questions={tmp_path / 'questions'}", f"--output={tmp_path / 'out'}"]
        code = main([*arguments, "--attempts=1", "--batch_size=1"])
        rows = [line.split("\t") for line in (tmp_path / "out").read_text().splitlines()]
        return code, [(row[1], row[2]) for row in rows]

    return run


REFUSED = (400, b'{"error": "no"}')
GONE = (503, b"")
THREE = ["One?", "Two?", "Three?"]


def test_an_empty_question_and_a_refused_one_keep_their_lines_and_are_counted(asking, capsys):
    with rest_server((200, REPLY), REFUSED, (200, REPLY)) as address:
        code, rows = asking(address, ["One?", "", "Two?", "Three?"])
    assert code == 2
    assert rows == [("One?", "yes"), ("", ""), ("Two?", ""), ("Three?", "yes")]
    errors = capsys.readouterr().err
    assert "question 2: is empty" in errors and "2 of 4" in errors


def test_a_server_that_goes_away_takes_no_answer_with_it(asking, capsys):
    with rest_server((200, REPLY), GONE) as address:
        code, rows = asking(address, THREE)
    assert code == 2 and rows == [("One?", "yes")]
    assert "2 of 3 questions were not asked" in capsys.readouterr().err
    with rest_server((200, REPLY)) as address:
        code, rows = asking(address, THREE, "--resume")
    assert code == 0 and rows == [(question, "yes") for question in THREE]


def test_resuming_cuts_off_half_a_line_and_counts_what_failed_before(asking, tmp_path):
    with rest_server(REFUSED, (200, REPLY)) as address:
        asking(address, THREE)
    out = tmp_path / "out"
    out.write_text(out.read_text()[:-12])
    with rest_server((200, REPLY)) as address:
        code, rows = asking(address, THREE, "--resume")
    assert code == 1 and rows == [("One?", ""), ("Two?", "yes"), ("Three?", "yes")]


def test_resuming_another_file_is_refused_and_changes_nothing(asking, tmp_path, capsys):
    with rest_server((200, REPLY)) as address:
        asking(address, THREE)
        before = (tmp_path / "out").read_text()
        code, _ = asking(address, ["Other?", *THREE], "--resume")
    assert code == 1 and (tmp_path / "out").read_text() == before
    assert "line 1 is not about question 1" in capsys.readouterr().err


def test_the_exit_code_counts_to_a_hundred(asking):
    with rest_server(REFUSED) as address:
        assert asking(address, ["Why?"] * 150)[0] == 100


def test_a_terminal_sees_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Progress(4) as progress:
        progress.move(1)
        progress.say("question 2: refused")
        progress.move(3)
    shown = capsys.readouterr().err
    assert [part.split(",")[0].split("] ")[1] for part in shown.split("\r") if "[" in part[:1]] == [
        "0/4",
        "1/4",
        "4/4",
    ]
    assert "question 2: refused\n" in shown and shown.endswith("\n")


def test_a_file_sees_no_bar(capsys):
    with Progress(2) as progress:
        progress.move(2)
    assert capsys.readouterr().err == ""
