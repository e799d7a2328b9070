"""Tests of pytest as targets of Bazel."""

load("@rules_python//python:defs.bzl", "py_library", "py_test")

def pytest_tests(deps, data = [], whole_tree = []):
    """Makes `support`, a library of the folder's Python files, and a target of each test_*.py.

    A folder below that has no BUILD of its own belongs to the package.

    Args:
        deps: what the tests import.
        data: what they read outside the folder.
        whole_tree: tests that read more than can be named here. They run every time.
    """
    py_library(
        name = "support",
        srcs = native.glob(["**/*.py"]),
        data = data + native.glob(["**"], exclude = ["**/*.py", "**/__pycache__/**"]),
        visibility = ["//tests:__subpackages__"],
        deps = deps + ["//tests:pytest"],
    )
    for test in native.glob(["**/test_*.py"]):
        py_test(
            name = test[:-len(".py")],
            timeout = "long",
            srcs = [test, "//tests:run_pytest.py"],
            args = ["$(rootpath {})".format(test)],
            main = "//tests:run_pytest.py",
            tags = ["external", "local"] if test in whole_tree else [],
            deps = [":support"],
        )
